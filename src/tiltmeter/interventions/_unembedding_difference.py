"""The difference of what two answers read from the last residual stream."""

from __future__ import annotations

import numpy as np
import torch

from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import NoDirectionError, SpecError
from tiltmeter.core.site import Site
from tiltmeter.interventions._answers import Answers, answer_tokens
from tiltmeter.models import SubjectModel, unembedding


def unembedding_difference(
    subject: SubjectModel,
    *,
    positive: Answers,
    negative: Answers,
    site: str | Site = "-1.resid_post",
    fold_norm: bool = True,
) -> Direction:
    """Return the direction from the unembedding of one answer to that of another.

    No text is read. Along it the log-odds of the two answers grow; its sign is known.

    Parameters
    ----------
    subject
        A decoder with its unembedding.
    positive, negative
        One answer or several, of one token each: strings, as they follow a text (in most vocabularies with the space
        before them, ``" she"``), or token numbers. Of several, the mean of their rows is taken.
    site
        Where it will be used: any point of the residual stream's width (``resid_pre``, ``resid_mid``, ``resid_post``,
        ``attn_out``, ``mlp_out``). It changes nothing about the vector, which is meant for the default, the stream
        after the last block, and says less the earlier the site.
    fold_norm
        Multiply the rows by the gain of the final norm, and centre them where that is a LayerNorm: then the vector is
        in coordinates of the stream itself, where activations are read and edited. False gives the bare difference of
        the model's rows, which are in coordinates behind the norm, as a comparison with figures that were made so
        needs.

    Returns
    -------
    A unit vector with sign 1, in float32, or float64 for a model in that. Its offset is 0: no rows were seen that could
    say where the middle is, so that scores above 0 need not mean that the positive answer is the likelier one.

    Raises
    ------
    ModelError
        If the model is an encoder or was loaded without its unembedding.
    SpecError
        If an answer is not exactly one token or is on both sides, or the site is absent or of another width.
    NoDirectionError
        If the rows of the two answers are equal.

    See Also
    --------
    answer_gradient : Takes into account all that lies between a site and the answer.

    Notes
    -----
    The vector is g ⊙ (W_U[positive] − W_U[negative]), centred for a LayerNorm and divided by its length; g = 1 without
    ``fold_norm``. With it, the log-odds of two answers are x · vector times a positive factor that depends on the text
    (the norm's scale of x), plus what biases add, for the stream x after the last block; a cap on the logits (Gemma 2)
    bends that. It does not claim to be what the model *uses* at an earlier site: the blocks between are ignored. Cost:
    one product with the unembedding.

    References
    ----------
    nostalgebraist (2020), "interpreting GPT: the logit lens".

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("she he")
    >>> found = unembedding_difference(subject, positive="she", negative="he")
    >>> str(found.site), found.vector.shape, found.sign, found.provenance["positive"]
    ('1.resid_post', (8,), 1, {'tokens': ['she'], 'ids': [1]})
    """
    (where,) = subject.resolve_sites([site])
    if where.point in ("z", "mlp_post"):
        raise SpecError(
            f"Site {where} is not in the residual stream, whose coordinates an unembedding has; use a point such as "
            f"{where.layer}.resid_post, or answer_gradient."
        )
    answers = answer_tokens(subject, positive=positive, negative=negative)
    found = unembedding(subject, [*answers.positive, *answers.negative], fold_norm=fold_norm)
    difference = answers.weights @ found.rows
    norm = float(difference.norm())
    # below what their own rounding leaves, two rows are one
    if not norm > torch.finfo(torch.float64).eps * float(found.rows.norm(dim=1).max()):
        raise NoDirectionError(
            f"The unembeddings of the positive and the negative answers of {subject.name} are equal; use other answers."
        )
    dtype = np.float64 if subject.model.dtype == torch.float64 else np.float32
    return Direction(
        (difference / norm).numpy().astype(dtype),
        site=where,
        sign=1,
        method="unembedding_difference",
        provenance={
            **answers.facts(subject),
            "hyperparameters": {"fold_norm": fold_norm},
            "folded_norm": found.norm,
            "norm_of_difference": norm,
            "model": subject.fingerprint.model_dump(mode="json"),
        },
    )
