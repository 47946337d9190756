"""Has a stream of scores left the calibration scores behind? An alarm whose false rate holds for ever, not each day."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.records import Record
from tiltmeter.evaluation._bets import Bets, Won

# how much is staked on small p-values (negative) or on large ones; up to 2 no bet can lose more than there is
_STAKES = (-1.8, -1.0, -0.5, 0.5, 1.0, 1.8)


class ScoreDriftState(Record):
    """All that a :class:`ScoreDrift` must remember, as JSON can hold it.

    ``reference``: the calibration scores and those of the stream so far, sorted.
    """

    format_version: Literal[1] = 1
    alpha: float
    seed: int
    n_calibration: int
    reference: tuple[float, ...]
    won: Won


class ScoreDrift:
    """An alarm for a stream of scores that is no longer like the calibration scores: a conformal test martingale.

    **Null**: the calibration scores and those of the stream, in this order, are exchangeable, as they are where all are
    drawn independently from one population. Under it the probability that the alarm is *ever* raised, however long
    the stream and whenever one looks, is at most ``alpha``. Any change of the distribution of scores is a departure,
    harmless ones too; only those that move scores up or down for a time are found soon.

    Give one score a unit: of each group (conversation, author) its highest row, as :func:`unit_scores` gives, and each
    group once. Rows of one group follow one another in score, which is a departure by itself.

    Parameters
    ----------
    calibration
        Scores of calibration units, shape (n,), finite; those that set the threshold where the stream is of texts
        without the concept. The more there are, the sooner a change is found.
    alpha
        Strictly between 0 and 1. Where k streams are watched, give each alpha / k.
    seed
        Of the ranks within ties, which are drawn.

    Raises
    ------
    ArrayError
        If there are no calibration scores, or one is not finite.
    SpecError
        If alpha is out of range, or the seed negative.

    See Also
    --------
    AlarmDrift : Only whether alarms come more often than was certified; remembers next to nothing.

    Notes
    -----
    The p-value of a score is its rank from above, ties broken at random, among the calibration scores and *all scores
    of the stream up to it*, over their number. Under the null these are independent and uniform (Vovk), so that
    Σ_s Σ_ε w_s Π_{s ≤ t} (1 + ε (p_t − 1/2)), over starts s and a few stakes ε, is a martingale from 1 and ever reaches
    1 / alpha with probability at most alpha (Ville).

    P-values against the fixed calibration scores alone are not independent: whatever is peculiar about those few
    scores, a stream of fresh ones departs from it for ever, and in the end the alarm is raised.
    Scores after a change enter the reference as well: what is not found early is found ever more slowly.

    A step costs O(log n) comparisons and one insertion into a sorted list of n numbers, which is one block move.

    References
    ----------
    Vovk, Gammerman and Shafer (2022), Algorithmic Learning in a Random World, 2nd edition, chapter 8.
    Vovk, Petej, Nouretdinov, Ahlberg, Carlsson and Gammerman (2021), "Retrain or not retrain: conformal test
    martingales for change-point detection", whose bets these are, but for the start.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> test = ScoreDrift(rng.normal(size=500), alpha=0.01)
    >>> test.update(rng.normal(size=1000)).won.raised_at
    >>> test.update(rng.normal(1, 1, size=200)).won.raised_at
    1049
    """

    def __init__(self, calibration: Float[NDArray[Any], " n"], *, alpha: float = 0.01, seed: int = 0) -> None:
        if seed < 0:
            raise SpecError(f"The seed is {seed}; seeds are whole numbers from 0.")
        if calibration.ndim != 1 or not len(calibration) or not np.isfinite(calibration).all():
            raise ArrayError("calibration must hold one finite score a unit, and one unit at least.")
        self.seed, self.n_calibration = seed, len(calibration)
        self._bets = Bets(Won(capitals=(0.0,) * len(_STAKES)), alpha=alpha)
        self._reference: list[float] = np.sort(calibration.astype(np.float64)).tolist()

    @property
    def won(self) -> Won:
        """What was won against the null so far, and when the alarm was raised."""
        return self._bets.won

    def update(self, scores: Float[NDArray[Any], " m"]) -> ScoreDrift:
        """Take the next scores, in place; how they are cut into batches changes nothing.

        Raises
        ------
        ArrayError
            If a score is not finite; nothing is taken then.
        """
        if scores.ndim != 1 or not np.isfinite(scores).all():
            raise ArrayError("scores must be one finite number a unit.")
        # one draw a score, so that the seed and the number of scores tell where the generator stands
        generator = np.random.Generator(np.random.PCG64(self.seed).advance(self._bets.n_seen))
        coins = generator.random(len(scores)).tolist()
        for score, coin in zip(scores.astype(np.float64).tolist(), coins, strict=True):
            p = self._p_value(score, coin)
            self._bets.step([1 + stake * (p - 0.5) for stake in _STAKES])
        return self

    def _p_value(self, score: float, coin: float) -> float:
        """Return the rank from above among all so far and this one, ties at random, as a share; keep the score."""
        below, upto = bisect_left(self._reference, score), bisect_right(self._reference, score)
        above, ties = len(self._reference) - upto, upto - below + 1
        insort(self._reference, score)
        return (above + coin * ties) / len(self._reference)

    def state(self) -> ScoreDriftState:
        """Return all that must be kept to go on later."""
        return ScoreDriftState(
            alpha=self._bets.alpha,
            seed=self.seed,
            n_calibration=self.n_calibration,
            reference=tuple(self._reference),
            won=self.won,
        )

    @classmethod
    def resume(cls, state: ScoreDriftState) -> ScoreDrift:
        """Go on from a state as if the stream had never stopped.

        Raises
        ------
        ArrayError
            If the state holds other numbers of scores or bets than it says.
        """
        needed = state.n_calibration + state.won.n_seen
        if len(state.reference) != needed or len(state.won.capitals) != len(_STAKES):
            raise ArrayError(
                f"The state holds {len(state.reference)} scores and {len(state.won.capitals)} bets; it needs "
                f"{needed} and {len(_STAKES)}."
            )
        test = cls(np.array(state.reference), alpha=state.alpha, seed=state.seed)
        test.n_calibration = state.n_calibration
        test._bets = Bets(state.won, alpha=state.alpha)
        return test
