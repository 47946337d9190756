"""Ways to find a direction from aligned pairs: causal direction extraction, and its rivals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.errors import NoDirectionError, SpecError
from tiltmeter.core.records import Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.core.site import Site
from tiltmeter.erasure import SGDSettings, rlace, rlace_sgd
from tiltmeter.interventions._cde_search import CDESettings, search
from tiltmeter.interventions._clean import Clean, clean_runs, flat
from tiltmeter.interventions._dropout_probe import dropout_vector
from tiltmeter.interventions._pairs import EncodedPairs
from tiltmeter.interventions._swap_loss import of_model
from tiltmeter.models import SubjectModel, frozen_weights, gradients, unembedding
from tiltmeter.probes import logistic, mean_difference, median_difference

# of the naive probe, whose objective is the mean log-loss + decay |w|² / 2
_WEIGHT_DECAY = 1e-4
# as the publication calls the original RLACE, whose own default is 75,000 steps
_RLACE_STEPS = 6000
_RLACE_SETTINGS = SGDSettings(evaluated_every=500, n_classifiers=1)
_BATCH_SIZE = 32
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class PairRows:
    """What a method may look at: all tokens of the pairs at one block, and the model that they are of.

    Parameters
    ----------
    X
        Shape (n, d), one row a token of every prompt, in the model's dtype or float32 where that is half.
    sides
        Shape (n,): 1 for a token of a positive prompt, 0 for one of a negative prompt.
    subject, encoded, layer, clean
        The model, the pairs, the block, and what it shows and says of the pairs unchanged.
    seed
        Of whatever is random.
    """

    X: Float[NDArray[Any], "n d"]
    sides: Int[NDArray[np.int64], " n"]
    subject: SubjectModel
    encoded: EncodedPairs
    layer: int
    clean: Clean
    seed: int


class CausalMethod(NamedTuple):
    """A way to find a direction from pairs: its name, the function, and whether its answer depends on a seed."""

    name: str
    find: Callable[[PairRows], NDArray[Any]]
    is_random: bool = False


def cde_method(*, n_directions: int = 1, settings: CDESettings | None = None) -> CausalMethod:
    """Return causal direction extraction, one search from one seed, as a method among the others.

    Parameters
    ----------
    n_directions, settings
        As for :func:`cde`.

    Examples
    --------
    >>> cde_method(n_directions=2).name
    'cde (2)'
    """

    def find(rows: PairRows) -> NDArray[Any]:
        problem = of_model(rows.subject, rows.encoded, layer=rows.layer, clean=rows.clean)
        with frozen_weights(rows.subject):
            end = search(problem, n_directions=n_directions, seed=rows.seed, settings=settings or CDESettings())
        return np.asarray(end.basis.cpu().numpy())

    return CausalMethod("cde" if n_directions == 1 else f"cde ({n_directions})", find, is_random=True)


def _naive_probe(rows: PairRows) -> NDArray[Any]:
    return logistic(rows.X, rows.sides, C=1 / (_WEIGHT_DECAY * len(rows.X))).vector


def _dropout_probe(rows: PairRows) -> NDArray[Any]:
    return dropout_vector(rows.X, rows.sides, random_state=rows.seed)


def _rlace(rows: PairRows) -> NDArray[Any]:
    return rlace(rows.X, rows.sides, rank=1).directions


def _rlace_sgd(rows: PairRows) -> NDArray[Any]:
    found = rlace_sgd(
        rows.X, rows.sides, rank=1, n_steps=_RLACE_STEPS, settings=_RLACE_SETTINGS, random_state=rows.seed
    )
    return found.directions


def _mean_difference(rows: PairRows) -> NDArray[Any]:
    return mean_difference(rows.X, rows.sides).vector


def _unit_mean_difference(rows: PairRows) -> NDArray[Any]:
    return mean_difference(rows.X, rows.sides, rows="unit").vector


def _standardised_mean_difference(rows: PairRows) -> NDArray[Any]:
    return mean_difference(rows.X, rows.sides, rows="standardised").vector


def _median_difference(rows: PairRows) -> NDArray[Any]:
    return median_difference(rows.X, rows.sides).vector


def _unembedding_difference(rows: PairRows) -> NDArray[Any]:
    weights: dict[int, float] = {}
    for token, weight in (both for own in _answer_weights(rows.encoded) for both in own.items()):
        weights[token] = weights.get(token, 0.0) + weight
    # of answers that are as often positive as negative, rounding may be left
    tokens = [token for token, weight in weights.items() if abs(weight) > _ROUNDING * len(rows.encoded)]
    if not tokens:
        raise NoDirectionError("the pairs' answers are as often positive as negative, and cancel")
    found = unembedding(rows.subject, tokens, fold_norm=True).rows
    return (torch.tensor([weights[token] for token in tokens], dtype=torch.float64) @ found).numpy()


def _answer_gradient(rows: PairRows) -> NDArray[Any]:
    weights, total = _answer_weights(rows.encoded), torch.zeros(rows.X.shape[1], dtype=torch.float64)
    site = Site(rows.layer, "resid_post")
    for start in range(0, len(rows.encoded), _BATCH_SIZE):
        tokens, mask, at = flat(rows.encoded, slice(start, start + _BATCH_SIZE))
        asked = weights[start : start + _BATCH_SIZE]
        found = gradients(
            rows.subject, tokens, sites=[site], at=at, objective=partial(_log_odds, weights=asked), mask=mask
        )[site]
        # the mean over a prompt's tokens
        inside = (mask / mask.sum(1, keepdim=True)).to(found.device, torch.float64)
        total += torch.einsum("bt,btd->d", inside, found.double()).cpu()
    return total.numpy()


def _log_odds(logits: Tensor, *, weights: Sequence[dict[int, float]]) -> Tensor:
    """Return the log-odds of the positive answers, (2 b,) of logits (2 b, v): both prompts are asked for the same."""
    # the normaliser is the same for all answers, and has no part in the difference
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return torch.stack(
        [
            sum((weight * wide[row, token] for token, weight in weights[row // 2].items()), wide.new_zeros(()))
            for row in range(len(wide))
        ]
    )


def _answer_weights(encoded: EncodedPairs) -> list[dict[int, float]]:
    """Return by what each pair's answers count: the mean of the positive ones less that of the negative ones."""
    return [
        {token: sign / len(side) for side, sign in zip(both, (1, -1), strict=True) for token in side}
        for both in encoded.answers
    ]


def _random(rows: PairRows) -> NDArray[Any]:
    return stream(rows.seed, "random direction").normal(size=(rows.X.shape[1],))


CAUSAL_BASELINES = (
    CausalMethod("naive_probe", _naive_probe),
    CausalMethod("dropout_probe", _dropout_probe, is_random=True),
    CausalMethod("rlace", _rlace),
    CausalMethod("rlace_sgd", _rlace_sgd, is_random=True),
    CausalMethod("mean_difference", _mean_difference),
    CausalMethod("mean_difference_unit", _unit_mean_difference),
    CausalMethod("mean_difference_standardised", _standardised_mean_difference),
    CausalMethod("median_difference", _median_difference),
    CausalMethod("unembedding_difference", _unembedding_difference),
    CausalMethod("answer_gradient", _answer_gradient),
    CausalMethod("random", _random, is_random=True),
)


def pair_rows_of(
    subject: SubjectModel, encoded: EncodedPairs, *, layer: int, clean: Clean | None, seed: int
) -> PairRows:
    """Return what methods may look at; SpecError if the block is absent or was not recorded."""
    (site,) = subject.resolve_sites([Site(layer, "resid_post")])
    clean = clean_runs(subject, encoded, layers=[site.layer]) if clean is None else clean
    if site.layer not in clean.states:
        raise SpecError(f"The clean runs hold the blocks {sorted(clean.states)}, and not {site.layer}; record it, too.")
    states = clean.states[site.layer]
    X = states[torch.from_numpy(np.array(encoded.mask)).to(states.device)]
    sides = np.broadcast_to(np.array([1, 0])[:, None], encoded.tokens.shape)[encoded.mask]
    wide = X.to(torch.promote_types(X.dtype, torch.float32)).cpu().numpy()
    return PairRows(wide, sides, subject, encoded, site.layer, clean, seed)


def basis_of(method: CausalMethod, rows: PairRows) -> Float[NDArray[np.float64], "k d"] | Unavailable:
    """Return what a method finds, as orthonormal rows; or why it finds nothing."""
    try:
        found = np.atleast_2d(method.find(rows)).astype(np.float64)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        if not (np.isfinite(lengths).all() and (lengths > 0).all()):
            raise NoDirectionError("the rows hold no difference that it could follow")
    except NoDirectionError as error:
        return Unavailable(reason=f"{method.name} at block {rows.layer}: {error}")
    return np.asarray(found / lengths)
