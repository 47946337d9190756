"""How the log-odds of two answers change with an activation."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tiltmeter.activations import plan_batches
from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import ArrayError, NoDirectionError, SpecError
from tiltmeter.core.site import Site
from tiltmeter.data import TextSet
from tiltmeter.interventions._answers import Answers, AnswerTokens, answer_tokens
from tiltmeter.models import Encoded, Padded, Sites, SubjectModel, encoded_for, gradients, pad

Positions = Literal["last", "all"]


def answer_gradient(
    subject: SubjectModel,
    texts: TextSet | Encoded,
    *,
    positive: Answers,
    negative: Answers,
    site: str | Site,
    positions: Positions = "last",
    token_budget: int = 2048,
) -> Direction:
    """Return the mean gradient of log p(positive) − log p(negative), the answer to come, with respect to a site.

    It is the small step at the site that moves the log-odds of the answers most, on average over the texts; its sign is
    known. The model is left as it was: no hook, no gradient on a weight.

    Parameters
    ----------
    subject
        A decoder with its unembedding.
    texts
        Texts after which either answer could come, or what :func:`tiltmeter.models.encode` makes of them; labels are
        not looked at. The answer is predicted at the last token that is read. In a chat that ends with the user's
        message this is before the assistant's turn has begun: end it with the assistant's first words instead.
    positive, negative
        One answer or several, of one token each: strings, as they follow a text (in most vocabularies with the space
        before them, ``" she"``), or token numbers. Of several, the mean of their log-probabilities is taken.
    site
        Any site of the model, a head's ``z`` among them.
    positions
        ``"last"``: the gradient at the token at which the answer is predicted. ``"all"``: its mean over all tokens of a
        text that are read, which lets those count that later layers look back at.
    token_budget
        Most tokens in a batch, padding counted. The result does not depend on it, but for rounding.

    Returns
    -------
    A unit vector with sign 1, in float32, or float64 for a model in that. Its offset is 0: a gradient says which way
    the odds grow, and not where they are even.

    Raises
    ------
    ModelError
        If the model is an encoder or was loaded without its unembedding.
    SpecError
        If the site is absent, an answer is not exactly one token or is on both sides, or a batch does not fit into
        memory.
    DataError
        If a text is too long or has no token to read.
    NoDirectionError
        If the mean is zero, or no more than the rounding of gradients that cancel.
    ArrayError
        If a gradient is not finite.

    See Also
    --------
    answer_gradients : The same for many sites at once.
    unembedding_difference : What it is at the last block but for the final norm's scale, without a text.

    Notes
    -----
    For texts i with states h_i at the site, the mean over i of ∇ [log p(positive | h_i) − log p(negative | h_i)],
    divided by its length. A gradient is local: it claims nothing about larger steps, and where the model is sure, or a
    path is shut (a norm of a large state, a saturated gate), it is small or points elsewhere. ``agreement`` in the
    provenance is the length of the mean over the mean length: 1 if all texts' gradients are parallel, about 1 / √n if
    they have nothing in common. Cost: one forward of all texts and one backward of what lies above the earliest site,
    whose activations are kept meanwhile.

    References
    ----------
    Simonyan et al. (2013), "Deep inside convolutional networks", eq. 3, for the gradient of a logit.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("so says she he")
    >>> texts = TextSet(np.array(["a", "b"]), texts=("so says", "says"))
    >>> found = answer_gradient(subject, texts, positive="she", negative="he", site="0.resid_post")
    >>> found.vector.shape, found.sign, found.provenance["n_texts"], found.provenance["n_tokens"]
    ((8,), 1, 2, 3)
    """
    (where,) = subject.resolve_sites([site])
    found = answer_gradients(
        subject,
        texts,
        positive=positive,
        negative=negative,
        sites=[where],
        positions=positions,
        token_budget=token_budget,
    )
    return found[where]


def answer_gradients(
    subject: SubjectModel,
    texts: TextSet | Encoded,
    *,
    positive: Answers,
    negative: Answers,
    sites: Sites = "all",
    positions: Positions = "last",
    token_budget: int = 2048,
) -> dict[Site, Direction]:
    """Return :func:`answer_gradient` of many sites, from one forward and one backward for all of them.

    Parameters
    ----------
    subject, texts, positive, negative
        As for :func:`answer_gradient`.
    sites
        ``"all"`` (the embedding and ``resid_post`` of every block) or a list such as ``["3.resid_post", "3.z.h0"]``.
    positions, token_budget
        As for :func:`answer_gradient`.

    Returns
    -------
    A direction a site, negative layers resolved, in the order in which they were asked for.

    Raises
    ------
    ModelError, SpecError, DataError, NoDirectionError, ArrayError
        As :func:`answer_gradient`; the message names the site.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("says she he")
    >>> texts = TextSet(np.array(["a"]), texts=("says",))
    >>> [str(site) for site in answer_gradients(subject, texts, positive="she", negative="he")]
    ['0.resid_pre', '0.resid_post', '1.resid_post']
    """
    if positions not in get_args(Positions):
        raise SpecError(f"positions is {positions!r}; use one of {', '.join(get_args(Positions))}.")
    wanted = subject.resolve_sites(sites)
    answers = answer_tokens(subject, positive=positive, negative=negative)
    encoded = encoded_for(subject, texts)
    totals = {site: torch.zeros(subject.width(site), dtype=torch.float64) for site in wanted}
    lengths = dict.fromkeys(wanted, 0.0)
    for batch in plan_batches(encoded.lengths, token_budget=token_budget):
        padded = pad(batch, tokens=encoded.tokens, read=encoded.read, offsets=encoded.offsets)
        for site, rows in _of_batch(subject, padded, sites=wanted, answers=answers, positions=positions).items():
            if not torch.isfinite(rows).all():
                raise ArrayError(
                    f"The gradient at {site} is not finite for text "
                    f"{encoded.ids[batch[int((~torch.isfinite(rows).all(1)).int().argmax())]]}; use a wider dtype, or "
                    "leave the text out."
                )
            totals[site] += rows.sum(0)
            lengths[site] += float(rows.norm(dim=1).sum())
    provenance = {
        **answers.facts(subject),
        "hyperparameters": {"positions": positions, "token_budget": token_budget},
        "n_texts": len(encoded),
        "n_tokens": len(encoded.tokens),
        "texts_sha256": encoded.texts.fingerprint(),
        "encoding": encoded.rule.model_dump(mode="json"),
        "model": subject.fingerprint.model_dump(mode="json"),
        # nothing is drawn at random
        "seeds": {},
    }
    dtype = subject.model.dtype
    return {
        site: _direction(totals[site], length=lengths[site], site=site, dtype=dtype, provenance=provenance)
        for site in wanted
    }


def _of_batch(
    subject: SubjectModel, padded: Padded, *, sites: tuple[Site, ...], answers: AnswerTokens, positions: Positions
) -> dict[Site, Float[Tensor, "b d"]]:
    """Return one row a text and site, on the host and in float64."""
    n_tokens = padded.read.shape[1]
    last = n_tokens - 1 - padded.read.int().flip(1).argmax(1)

    def log_odds(logits: Tensor) -> Tensor:
        # the normaliser is the same for all answers, and has no part in the difference
        chosen = logits[:, [*answers.positive, *answers.negative]]
        wide = torch.promote_types(chosen.dtype, torch.float32)
        return chosen.to(wide) @ answers.weights.to(chosen.device, wide)

    def pooled(values: Tensor) -> Tensor:
        return _pooled(values, padded.read, last=last, positions=positions)

    try:
        found = gradients(
            subject,
            padded.tokens,
            sites=sites,
            at=last,
            objective=log_odds,
            mask=padded.mask(is_causal=subject.is_causal),
            reduce=pooled,
        )
    except (RuntimeError, MemoryError) as error:
        # on a processor PyTorch raises a bare RuntimeError
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and "can't allocate memory" not in str(error):
            raise
        raise SpecError(
            f"The gradients of {len(last)} texts of {n_tokens} tokens do not fit into memory; "
            f"lower token_budget below {padded.own.numel()}."
        ) from error
    return {site: rows.cpu().double() for site, rows in found.items()}


def _pooled(
    values: Float[Tensor, "b t d"], read: Bool[Tensor, "b t"], *, last: Int[Tensor, " b"], positions: Positions
) -> Float[Tensor, "b d"]:
    device = values.device
    if positions == "last":
        return values[torch.arange(len(values), device=device), last.to(device)]
    wide = torch.promote_types(values.dtype, torch.float32)
    marks = read.to(device)
    total = torch.where(marks[..., None], values, 0).sum(dim=1, dtype=wide)
    return total / marks.sum(dim=1, keepdim=True)


def _direction(
    total: Float[Tensor, " d"], *, length: float, site: Site, dtype: torch.dtype, provenance: dict[str, Any]
) -> Direction:
    norm = float(total.norm())
    # gradients that cancel leave the rounding of each; without the strictness, zero would pass
    if not norm > torch.finfo(dtype).eps * length:
        raise NoDirectionError(
            f"The mean gradient at {site} is zero: no step there changes the odds of the answers, or the texts cancel "
            "each other; use a site that the answer depends on, or other texts."
        )
    return Direction(
        (total / norm).numpy().astype(np.float64 if dtype == torch.float64 else np.float32),
        site=site,
        sign=1,
        method="answer_gradient",
        provenance={
            **provenance,
            "agreement": norm / length,
            "mean_gradient_norm": norm / provenance["n_texts"],
        },
    )
