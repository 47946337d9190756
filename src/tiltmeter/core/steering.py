"""What steering does, and what it costs: the records that a sweep and a side-by-side comparison write."""

from __future__ import annotations

from typing import Literal

from tiltmeter.core.records import Estimate, Measured, Record, Unavailable

Units = Literal["activation", "norm", "kl"]


class Fluency(Record):
    """What an edit does to texts that should not change.

    ``kl``: mean KL(bare ‖ edited) of the next-token distributions, nats a token. ``perplexity`` of the texts under the
    edit, and ``ratio`` to the bare model's, whose interval is that of the paired change. Intervals are over texts, or
    groups where groups exist; of fewer than 8 a figure is Unavailable. ``n_tokens`` were predicted.
    """

    kl: Measured
    perplexity: Measured
    ratio: Measured
    n_tokens: int


class Luck(Record):
    """The same figure with ``n`` random directions of the same length in place of the direction."""

    n: int
    mean: float
    lowest: float
    highest: float


class SweepPoint(Record):
    """One strength: its effect on the answers, its cost on neutral texts, and what random directions do.

    ``share`` is the strength in mean activation norms at the site, ``strength`` in units of the activations.
    ``log_odds`` of the two answers, and ``change`` from the bare model, paired; each is Unavailable without a question.
    """

    share: float
    strength: float
    fluency: Fluency
    log_odds: Measured
    change: Measured
    luck_kl: Luck
    luck_ratio: Luck
    luck_change: Luck | None

    @property
    def is_beyond_luck(self) -> bool:
        """Whether the log-odds move for sure, the way the sign says, and further than by every random direction.

        Either way counts for a random direction, since its opposite is as random: one that is random itself passes in
        1 of 2 (n + 1) cases at a given strength.
        """
        if isinstance(self.change, Unavailable) or self.luck_change is None:
            return False
        sign = 1 if self.strength > 0 else -1
        surely = self.change.low > 0 if sign > 0 else self.change.high < 0
        return surely and sign * self.change.value > max(-self.luck_change.lowest, self.luck_change.highest)


class StrengthSweep(Record):
    """Strength against effect and cost for one direction, with norm-matched random directions beside."""

    format_version: Literal[1] = 1
    model: str
    site: str
    method: str
    norm: Measured
    bare_perplexity: Measured
    bare_log_odds: Measured
    n_prompts: int
    n_neutral: int
    points: tuple[SweepPoint, ...]
    seed: int

    @property
    def statement(self) -> str:
        """The weakest strength on either side that does more than luck, and its price; or that there is none."""
        what = f"{self.method or 'The direction'} at {self.site}"
        if self.n_prompts == 0:
            return f"{what}: no question was asked, so nothing is said of its effect."
        said = []
        for name, sign in (("forward", 1), ("backward", -1)):
            own = sorted((one for one in self.points if sign * one.strength > 0), key=lambda one: abs(one.share))
            if not own:
                continue
            found = next((one for one in own if one.is_beyond_luck), None)
            said.append(
                f"{name}, no strength up to {abs(own[-1].share):g} moves the answers beyond random directions"
                if found is None
                else f"{name}, {_price(found)}"
            )
        return f"{what}: {'; '.join(said)}." if said else f"{what}: no strength was tried."


def _price(point: SweepPoint) -> str:
    change, luck = point.change, point.luck_change
    if not isinstance(change, Estimate) or luck is None:
        return "nothing was measured"
    return (
        f"strength {point.share:g} moves the log-odds by {change.value:+.2f} [{change.low:+.2f}, {change.high:+.2f}] "
        f"(random directions: {luck.lowest:+.2f} to {luck.highest:+.2f}), at {_said(point.fluency.kl)} nats of KL and "
        f"{_said(point.fluency.ratio)} times the perplexity"
    )


def _said(measured: Measured) -> str:
    return f"{measured.value:.3g}" if isinstance(measured, Estimate) else "unknown"


class Dose(Record):
    """One strength of a side-by-side comparison.

    ``asked`` is the number that was given, in the comparison's units; ``factor`` multiplies the vectors (of one
    direction: its strength in units of the activations); ``share`` is their length in mean activation norms, the mean
    over layers. ``fluency`` and that of one random direction of the same length, where neutral texts were given.
    """

    asked: float
    factor: float
    share: float
    fluency: Fluency | None = None
    random_fluency: Fluency | None = None


class Answered(Record):
    """One prompt: what the bare model goes on to say, and what it says at each dose, steered and at random."""

    id: str
    prompt: str
    bare: str
    steered: tuple[str, ...]
    random: tuple[str, ...]


class SideBySide(Record):
    """``steering.json``: texts with and without steering, over a range of strengths.

    ``vectors`` says what was added and where, ``evidence`` what is known of it. ``neutral`` names the texts on which
    norms and costs were measured. ``bare_perplexity`` is None where no neutral texts were given.
    """

    format_version: Literal[1] = 1
    model: str
    vectors: str
    sites: tuple[str, ...]
    evidence: str
    units: Units
    neutral: str
    bare_perplexity: Measured | None
    max_new_tokens: int
    seed: int
    doses: tuple[Dose, ...]
    prompts: tuple[Answered, ...]

    @property
    def short_name(self) -> str:
        """The model's name without the folders or the owner before it."""
        return self.model.rstrip("/").rsplit("/", 1)[-1]
