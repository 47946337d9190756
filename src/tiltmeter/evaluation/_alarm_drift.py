"""Do alarms come more often than was certified? A test that may be looked at at any time."""

from __future__ import annotations

from typing import Any, Literal

from jaxtyping import Bool
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.records import Record
from tiltmeter.evaluation._bets import Bets, Won

# by what factor alarms may have become more frequent; each bet is the best one for its own
_FACTORS = (1.5, 2.0, 4.0, 8.0, 16.0)


class AlarmDriftState(Record):
    """All that an :class:`AlarmDrift` must remember, as JSON can hold it."""

    format_version: Literal[1] = 1
    fpr: float
    alpha: float
    won: Won


class AlarmDrift:
    """An alarm for false alarms that come more often than was certified: an e-process that bets on coins.

    **Null**: whatever came before, the next unit raises an alarm with probability at most ``fpr``. Under it the
    probability that this test *ever* says otherwise is at most ``alpha``, at whatever time one looks. Units may depend
    on each other so long as that holds.

    The null is about the units that are given. Of texts without the concept ``fpr`` is the certified rate; the
    certificate itself may be wrong with probability 1 − confidence, so that without any drift the test speaks with
    probability at most alpha + 1 − confidence. Of all traffic the rate is that and the share of true positives: give
    ``fpr`` + base rate. Give one entry a unit, as the threshold was certified: of a group, whether any row raised one.

    Parameters
    ----------
    fpr
        The rate that was promised, strictly between 0 and 1.
    alpha
        Strictly between 0 and 1.

    Raises
    ------
    SpecError
        If either is out of range.

    See Also
    --------
    ScoreDrift : Any change of the scores, which may show long before alarms become frequent.

    Notes
    -----
    Σ_s Σ_q w_s Π_{s ≤ t} (q/p)^{a_t} ((1 − q)/(1 − p))^{1 − a_t}, with p the rate, q a few larger ones, a the alarms
    and w_s = 1 / (s (s + 1)) over starts s: wherever the rate is at most p, each product is a supermartingale from 1.
    A step is O(1), and so is what is remembered.

    References
    ----------
    Waudby-Smith and Ramdas (2024), "Estimating means of bounded random variables by betting".

    Examples
    --------
    >>> import numpy as np
    >>> test = AlarmDrift(fpr=0.01, alpha=0.01)
    >>> test.update(np.arange(1000) % 100 == 99).won.raised_at
    >>> test.update(np.arange(1000) % 10 == 9).won.raised_at
    1110
    """

    def __init__(self, *, fpr: float, alpha: float = 0.01) -> None:
        if not 0 < fpr < 1:
            raise SpecError(f"fpr is {fpr}; it must lie strictly between 0 and 1.")
        self.fpr = fpr
        # no rate is above 1
        rates = [min(fpr * factor, (1 + fpr) / 2) for factor in _FACTORS]
        self._if_alarm = [rate / fpr for rate in rates]
        self._if_quiet = [(1 - rate) / (1 - fpr) for rate in rates]
        self._bets = Bets(Won(capitals=(0.0,) * len(_FACTORS)), alpha=alpha)

    @property
    def won(self) -> Won:
        """What was won against the null so far, and when the alarm was raised."""
        return self._bets.won

    def update(self, alarms: Bool[NDArray[Any], " m"]) -> AlarmDrift:
        """Take whether each of the next units raised an alarm, in place."""
        for alarm in alarms.tolist():
            self._bets.step(self._if_alarm if alarm else self._if_quiet)
        return self

    def state(self) -> AlarmDriftState:
        """Return all that must be kept to go on later."""
        return AlarmDriftState(fpr=self.fpr, alpha=self._bets.alpha, won=self.won)

    @classmethod
    def resume(cls, state: AlarmDriftState) -> AlarmDrift:
        """Go on from a state as if the stream had never stopped.

        Raises
        ------
        ArrayError
            If the state holds another number of bets than this release makes.
        """
        if len(state.won.capitals) != len(_FACTORS):
            raise ArrayError(f"The state holds {len(state.won.capitals)} bets; it needs {len(_FACTORS)}.")
        test = cls(fpr=state.fpr, alpha=state.alpha)
        test._bets = Bets(state.won, alpha=state.alpha)
        return test
