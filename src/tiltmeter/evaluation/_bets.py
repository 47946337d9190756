"""Capital that a bettor against a null has won so far, whose most may be looked at at any time."""

from __future__ import annotations

from collections.abc import Sequence

from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Record

# what is certain by any standard: betting ends there, long before floating point does
_ENOUGH = 1e100


class Won(Record):
    """What several bets have won against a null, from 1 in all, after ``n_seen`` steps.

    ``evidence`` is the capital now and ``most`` the most that it has been: under the null the probability that it ever
    is so much is at most 1 / ``most``. ``raised_at``: the step, from 1, at which it first reached 1 / alpha; None if it
    did not. ``capitals``: what stands on each bet.
    """

    capitals: tuple[float, ...]
    n_seen: int = 0
    evidence: float = 1.0
    most: float = 1.0
    raised_at: int | None = None


class Bets:
    """Capital on several bets, each of which is started at every step s with weight 1 / (s (s + 1)).

    A change at step s then costs no more than a factor of about s, where a bet from the beginning would have lost most
    of its stake by then. What is not yet staked is kept: 1 / (s + 1) of the first capital after step s.
    """

    def __init__(self, won: Won, *, alpha: float) -> None:
        if not 0 < alpha < 1:
            raise SpecError(f"alpha is {alpha}; it must lie strictly between 0 and 1.")
        self.alpha = alpha
        self.n_seen, self.evidence, self.most, self.raised_at = won.n_seen, won.evidence, won.most, won.raised_at
        self._capitals = list(won.capitals)

    @property
    def won(self) -> Won:
        return Won(
            capitals=tuple(self._capitals),
            n_seen=self.n_seen,
            evidence=self.evidence,
            most=self.most,
            raised_at=self.raised_at,
        )

    def step(self, factors: Sequence[float]) -> None:
        """Multiply what stands on each bet by its factor, which under the null is at most 1 on average."""
        self.n_seen += 1
        if self.evidence >= _ENOUGH:
            return
        stake = 1 / (self.n_seen * (self.n_seen + 1)) / len(self._capitals)
        self._capitals = [(capital + stake) * factor for capital, factor in zip(self._capitals, factors, strict=True)]
        self.evidence = 1 / (self.n_seen + 1) + sum(self._capitals)
        self.most = max(self.most, self.evidence)
        if self.raised_at is None and self.evidence >= 1 / self.alpha:
            self.raised_at = self.n_seen
