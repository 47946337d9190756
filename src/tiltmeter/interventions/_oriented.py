"""Directions that were found from aligned pairs: which way they point, where their zero is, what they came from."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.direction import Direction
from tiltmeter.core.site import Site
from tiltmeter.interventions._pairs import EncodedPairs
from tiltmeter.models import SubjectModel


def side_means(encoded: EncodedPairs, states: Float[Tensor, "n two t d"]) -> Float[NDArray[np.float64], "two d"]:
    """Return the mean over all tokens of the positive and of the negative prompts."""
    marks = torch.from_numpy(np.array(encoded.mask)).to(states.device)
    total = torch.where(marks[..., None], states, 0).sum(dim=(0, 2), dtype=torch.float64)
    return np.asarray(total.cpu().numpy() / int(encoded.lengths.sum()))


def oriented(
    row: Float[NDArray[Any], " d"],
    *,
    means: Float[NDArray[np.float64], "two d"],
    site: Site,
    method: str,
    facts: dict[str, Any],
) -> Direction:
    """Turn a unit row from the negative prompts' mean to the positive ones', and put zero midway."""
    positive, negative = means @ row.astype(np.float64)
    turn = -1 if positive < negative else 1
    return Direction(
        turn * row,
        offset=-turn * float(positive + negative) / 2,
        site=site,
        # where the sides have one mean along it, they do not tell which way it points
        sign=1 if positive != negative else "unknown",
        method=method,
        provenance={
            "sign_from": "the mean over all tokens of the positive prompts less that of the negative ones",
            **facts,
        },
    )


def pair_facts(subject: SubjectModel, encoded: EncodedPairs) -> dict[str, Any]:
    """Return which pairs and which model, for the record."""
    return {
        "n_pairs": len(encoded),
        "pairs_sha256": encoded.pairs.texts().fingerprint(),
        "model": subject.fingerprint.model_dump(mode="json"),
    }
