"""What a league of probes and erasers measured: the records that it writes and its page reads."""

from __future__ import annotations

from typing import Literal

from tiltmeter.core.evidence import Baseline, Causal, Distribution, Followed, OperatingPoint, Planted, RandomDirections
from tiltmeter.core.records import Estimate, Measured, Record, Threshold, Unavailable

Role = Literal["home", "elsewhere", "control"]
Measure = Literal["in distribution", "elsewhere"]
Held = Literal["yes", "no", "undecided"]


class JudgedSet(Record):
    """A set of test texts of a task, and what sets it apart from the texts that were fitted on.

    ``home`` is of the training distribution; of a ``control`` nothing can be read, and it counts in no mean.
    """

    name: str
    role: Role
    kind: str
    about: Distribution


class ReaderEntry(Record):
    """One method on one task, at the site that is best on folds of its training rows.

    ``site`` is None where the method could not be fitted; then every figure gives the reason. ``folds``: the AUROC on
    these folds. ``auroc``: by test set. ``worst`` and ``mean``: over the sets elsewhere. ``worst_set`` is where the
    AUROC is least; the interval of ``worst`` pays for its choice. ``operating_points``: at the threshold certified on
    calibration negatives of the training distribution. ``over_text``: AUROC minus that of the best text rival on the
    same rows, chosen with their labels, in the rival's favour; ``over_luck``: minus that of the best of the random
    directions at the site, likewise. ``*_elsewhere`` are means over the sets elsewhere. ``follows``: what the score
    ranks for sure on the task's set for that, the planted truth or another planted column.
    """

    method: str
    site: str | None
    folds: Measured
    is_chosen: bool
    auroc: dict[str, Measured]
    home: Measured
    worst: Measured
    worst_set: str | None
    mean: Measured
    threshold: Threshold | Unavailable
    operating_points: tuple[OperatingPoint, ...]
    over_text: Measured
    over_text_elsewhere: Measured
    over_luck: Measured
    over_luck_elsewhere: Measured
    cause: Causal | Unavailable
    followed: tuple[Followed, ...]
    follows: str


class FreshReading(Record):
    """What a reader that was fitted on fresh rows reads on others, before erasing and after.

    AUROC, or balanced accuracy of the reader that is a threshold. ``is_read``: whether the interval after erasing lies
    above 1/2. Each has an interval of its own: of forty that find nothing one is expected to be above.
    """

    reader: str
    before: Measured
    after: Measured
    is_read: bool


class Kept(Record):
    """Another planted column: its AUROC for a fresh linear reader before and after, and the paired change."""

    column: str
    on: str
    before: Measured
    after: Measured
    change: Measured


class EraserEntry(Record):
    """One eraser, fitted on train rows at the task's site, audited on calibration and test rows.

    ``is_told``: it must know the concept of each row that it erases from. ``elsewhere``: AUROC of a linear reader that
    was fitted on erased calibration rows of another set, on its erased test rows; ``elsewhere_before`` without erasing.
    ``squared_change``: how far the rows move, as a share of their variance. ``answers_before`` and ``answers``: AUROC
    of the model's own answer for the label, on test rows, as it is and with the eraser at work inside. ``failed`` says
    why it could not be fitted or audited.
    """

    method: str
    failed: str | None
    guarantee: str
    is_told: bool
    rank: int | None
    squared_change: float | None
    is_nothing_erased: bool
    readings: tuple[FreshReading, ...]
    elsewhere_before: dict[str, Measured]
    elsewhere: dict[str, Measured]
    kept: tuple[Kept, ...]
    answers_before: Measured
    answers: Measured


class Draws(Record):
    """AUROCs of the methods that were fitted, and the same under each resampling of the test texts.

    ``values`` has one entry a method, ``draws`` one row a resampling; ``finest`` is the least standard error that so
    few texts allow for a difference (one over the number of units).
    """

    measure: Measure
    methods: tuple[str, ...]
    values: tuple[float, ...]
    draws: tuple[tuple[float, ...], ...]
    finest: float


class TaskResult(Record):
    """One task on one organism: everything that was measured. ``draws`` is left out of the league's own record.

    ``seconds`` by the clock, ``cpu_seconds`` of processor time, which a busy machine does not change much.
    """

    format_version: Literal[1] = 1
    fingerprint: str
    task: str
    organism: str
    seed: int
    question: str
    about: str
    train: str
    pooling: str
    chosen: str
    site: str
    sites: tuple[str, ...]
    n_folds: int
    sets: tuple[JudgedSet, ...]
    followed_on: str | None
    planted: Planted
    readers: tuple[ReaderEntry, ...]
    erasers: tuple[EraserEntry, ...]
    rivals: tuple[Baseline, ...]
    random_directions: tuple[RandomDirections, ...]
    draws: tuple[Draws, ...]
    seconds: float
    cpu_seconds: float

    @property
    def name(self) -> str:
        """The task, and the seed of the organism unless it is the one that ships."""
        return self.task if self.seed == 0 else f"{self.task}@{self.seed}"


class Placed(Record):
    """A method's place: mean rank over tasks (1 is best), mean AUROC, and how often it is surely behind another.

    Intervals hold for all methods, and of the rank for all tasks, at once. ``without_one``: the least and the greatest
    mean rank when one organism is left out. ``ranks``: in each task, with the least and greatest that are not refuted.
    """

    method: str
    mean_rank: Estimate
    without_one: tuple[float, float] | None
    mean_auroc: Estimate
    is_behind: bool
    ranks: dict[str, tuple[float, int, int]]


class Standing(Record):
    """Methods compared on the same test texts of the same tasks. ``critical``: of the largest studentised difference.

    ``field``: which tasks; ``methods`` are those that all of these tasks allow, best mean rank first.
    ``first_without``: by organism, which method has the highest mean AUROC when that organism is left out.
    """

    measure: Measure
    field: Literal["all tasks", "tasks with pairs"]
    tasks: tuple[str, ...]
    methods: tuple[Placed, ...]
    first_without: dict[str, str]
    critical: float
    n_pairs: int
    n_sure: int
    level: float
    n_draws: int


class Finding(Record):
    """A sentence about a task, whether it held on each seed of its organism, and what that makes of it.

    ``because`` is the figure on the first seed. ``stands`` is ``one draw`` where there is one seed; ``stands`` where
    three or more all say yes or all say no, ``luck of the seed`` where they differ, ``too few seeds`` otherwise.
    """

    task: str
    name: str
    says: str
    held: dict[str, Held]
    because: str
    stands: Literal["one draw", "stands", "luck of the seed", "too few seeds"]


class League(Record):
    """The whole league, for a page and for others to cite. ``conclusions``: what a sceptic should take from it."""

    format_version: Literal[1] = 1
    fingerprint: str
    seeds: tuple[int, ...]
    level: float
    fpr: float
    n_draws: int
    n_random: int
    tasks: tuple[TaskResult, ...]
    standings: tuple[Standing, ...]
    findings: tuple[Finding, ...]
    conclusions: tuple[str, ...]
    versions: dict[str, str]
    platform: str
    n_threads: int
    seconds: float
    cpu_seconds: float
