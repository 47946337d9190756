"""The gradient of a language model's loss on some texts by what its sites see."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from tiltmeter.core.errors import DataError
from tiltmeter.data import TextSet
from tiltmeter.models import Encoded, Sites, SubjectModel, encoded_for, gradients


class GradientRows(NamedTuple):
    """Gradients at one site, a row each token, and the number of the text that each token stands in."""

    X: Float[NDArray[Any], "n d"]
    text: Int[NDArray[Any], " n"]


def activation_gradients(
    subject: SubjectModel, texts: TextSet | Encoded, *, sites: Sites = "all"
) -> dict[str, GradientRows]:
    """Differentiate the mean loss over all next tokens of the texts by the activation of every token that is read.

    All that follows from a change of the activation is counted: the token's own prediction and those of later ones. No
    token depends on the last one of a text, whose gradient is exactly zero; it is left out.

    Parameters
    ----------
    subject
        A decoder with its unembedding, in which no token sees a later one.
    texts
        Texts, all of whose tokens are predicted; those that are read have a row each.
    sites
        ``"all"`` or a list; see :meth:`tiltmeter.models.SubjectModel.resolve_sites`.

    Returns
    -------
    By site, in float64.

    Raises
    ------
    ModelError
        If the model has no unembedding.
    SpecError
        If a site is absent.
    DataError
        If no token is read that another follows.

    Notes
    -----
    One forward and one backward a text, so that no padding enters.

    Examples
    --------
    >>> from tiltmeter import models, organisms
    >>> subject = models.load(organisms.load("facts").folder)
    >>> texts = organisms.texts("facts", "affirmative").select(np.arange(2))
    >>> X, text = activation_gradients(subject, texts, sites=["1.resid_post"])["1.resid_post"]
    >>> X.shape[1] == subject.d_model, np.unique(text).tolist()
    (True, [0, 1])
    """
    encoded = encoded_for(subject, texts)
    places = subject.resolve_sites(sites)
    found: dict[str, list[NDArray[np.float64]]] = {str(site): [] for site in places}
    owners = []
    for i in range(len(encoded)):
        row, read = encoded.row(i)
        chosen = np.flatnonzero(read[:-1])
        if not len(chosen):
            continue
        tokens = torch.from_numpy(row.astype(np.int64))[None]
        by_site = gradients(subject, tokens, sites=places, at=None, objective=_loss_of(tokens))
        owners.append(np.full(len(chosen), i))
        for site, gradient in by_site.items():
            found[str(site)].append(gradient[0].double().cpu().numpy()[chosen])
    if not owners:
        raise DataError("No text has a token that is read and that another follows; give longer texts.")
    text = np.concatenate(owners)
    n_predicted = int((encoded.lengths - 1).sum())
    return {site: GradientRows(np.concatenate(rows) / n_predicted, text) for site, rows in found.items()}


def _loss_of(tokens: Int[Tensor, "1 t"]) -> Any:  # noqa: ANN401
    def loss(logits: Tensor) -> Tensor:
        return nn.functional.cross_entropy(
            logits[0, :-1].float(), tokens[0, 1:].to(logits.device), reduction="sum"
        ).reshape(1)

    return loss
