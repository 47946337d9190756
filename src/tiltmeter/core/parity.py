"""Whether a monitor reads from the model at hand what it read from the one that it was made on: the records."""

from __future__ import annotations

from typing import Any, Literal

from tiltmeter.core.records import Measured, Record, Unavailable

CauseName = Literal[
    "site",
    "final norm",
    "engine",
    "tokenizer",
    "chat template",
    "context",
    "weights",
    "quantisation",
    "adapter",
    "configuration",
    "dtype",
    "attention kernel",
    "device",
    "library versions",
    "unknown",
]
Outcome = Literal["exact", "within tolerance", "refused"]


class Tolerance(Record):
    """The largest errors with which a monitor is taken for the one that was tested.

    Of any text: ``activation`` relative to the mean norm, ``score`` in standard deviations of the scores.
    """

    activation: float = 0.05
    score: float = 0.05


class Versions(Record):
    """What computed the activations, beside the model: packages by version, and the device."""

    packages: dict[str, str]
    device: str


class Origin(Record):
    """Where a reference is from, and what it was read with.

    ``drawn_from``: the texts among which its texts were chosen, in words. ``weights``: the hash that the model's
    weights have in each dtype. ``on_grid``: the share of its weights that looked quantised even then.
    """

    drawn_from: str
    made_with: Versions
    weights: dict[str, str]
    on_grid: float


class ReferenceHead(Record):
    """``parity.json``: reference texts of a monitor, and where they are from.

    ``texts`` or ``messages``: one a text. Arrays stand in ``parity.safetensors``, whose hash is ``sha256``.
    """

    format_version: Literal[1] = 1
    sha256: str
    distribution: str
    ids: tuple[str, ...]
    texts: tuple[str, ...] | None
    messages: tuple[tuple[dict[str, Any], ...], ...] | None
    origin: Origin
    sha256_of_the_rest: str = ""


class Cause(Record):
    """Something that differs, or that an experiment showed, as a cause of an error.

    ``was`` and ``now`` say it of the model that the monitor was made on and of the one at hand. ``finding``: what an
    experiment with this alone said; None where none was made. ``left``: the largest score error that remains where this
    alone is put right, in standard deviations.
    """

    what: CauseName
    was: str
    now: str
    finding: str | None = None
    left: float | None = None


class Replayed(Record):
    """One reference text: its score then and now, and whether an alarm was and is raised (None without a threshold).

    ``activation_error`` is relative to the mean norm, ``score_error`` in standard deviations of the scores.
    """

    id: str
    score_was: float
    score_now: float
    alarm_was: bool | None
    alarm_now: bool | None
    activation_error: float
    score_error: float
    same_tokens: bool


class Parity(Record):
    """The reference texts of a monitor, replayed.

    An ``activation`` error is the Euclidean distance between what is read of a text now and then, over the mean norm
    then. A ``score`` error is in units of ``score_sd``, the standard deviation of the scores of all texts that the
    reference was drawn from; ``score_raw`` in units of the score. ``flips`` names the reference texts whose alarm
    changed. ``at_risk``: of all texts that it was drawn from, the share whose score lies within the largest error of
    the threshold, so that their alarm may change. ``reasons`` says why it is refused. ``causes``: all that differs,
    the likeliest cause of the error first.
    """

    format_version: Literal[1] = 1
    monitor: str
    model: str
    site: str
    drawn_from: str
    n_texts: int
    activation_mean: float
    activation_max: float
    score_mean: float
    score_max: float
    score_raw: float
    score_sd: float
    flips: tuple[str, ...] | Unavailable
    at_risk: Measured
    other_tokens: tuple[str, ...]
    tolerance: Tolerance
    outcome: Outcome
    reasons: tuple[str, ...]
    causes: tuple[Cause, ...]
    texts: tuple[Replayed, ...]

    @property
    def sentence(self) -> str:
        """The whole in one sentence."""
        if self.outcome == "exact":
            return f"{self.n_texts} reference texts replayed: the same activations, bit for bit."
        changed = "" if isinstance(self.flips, Unavailable) else f", alarms changed: {len(self.flips)}"
        likely = f"; likely cause: {describe(self.causes[0])}" if self.causes else ""
        return (
            f"{self.n_texts} reference texts replayed: activations off by up to {self.activation_max:.2g} of their "
            f"norm, scores by up to {self.score_max:.2g} standard deviations{changed}{likely}."
        )


def describe(cause: Cause) -> str:
    """Return a cause in a few words.

    Examples
    --------
    >>> describe(Cause(what="dtype", was="float32", now="bfloat16"))
    'dtype (was float32, is bfloat16)'
    """
    return f"{cause.what} (was {cause.was}, is {cause.now})"
