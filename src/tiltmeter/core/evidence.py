"""What speaks for and against a probe: the records that a study writes and a report reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from tiltmeter.core.calibration import Probabilities
from tiltmeter.core.generalisation import CurvePoint, FewShots
from tiltmeter.core.hiding import ActivationBudget
from tiltmeter.core.likeness import Likeness
from tiltmeter.core.operating import DailyAlarms
from tiltmeter.core.records import Estimate, Measured, Record, Threshold, Unavailable
from tiltmeter.core.rivals import ActivationNull, BestRival, ControlTask, RivalKind
from tiltmeter.core.surface import Kinship, LabelWord, PairOrder


class Candidate(Record):
    """One site and method, judged on the training distribution's own validation folds."""

    site: str
    method: str
    auroc: Measured
    fold_aurocs: tuple[float, ...]


def best_sites(candidates: Iterable[Candidate], *, chosen: tuple[str, str]) -> dict[str, str]:
    """Return the site of each method with the highest AUROC on validation folds, the earlier of equals.

    A method without any figure is not in it. ``chosen``, a method and a site, overrules that for its method.

    Examples
    --------
    >>> at = {0: 0.7, 1: 0.9}
    >>> tried = [
    ...     Candidate(site=f"{block}.resid_post", method="lda", fold_aurocs=(), auroc=Estimate(
    ...         value=value, low=0.5, high=1.0, level=0.95, n=5, method="made up"))
    ...     for block, value in at.items()
    ... ]
    >>> best_sites(tried, chosen=("lat", "2.resid_post"))
    {'lda': '1.resid_post', 'lat': '2.resid_post'}
    """
    best: dict[str, tuple[float, str]] = {}
    for candidate in candidates:
        if isinstance(candidate.auroc, Estimate):
            value = candidate.auroc.value
            if candidate.method not in best or value > best[candidate.method][0]:
                best[candidate.method] = (value, candidate.site)
    method, site = chosen
    return {name: where for name, (_, where) in best.items()} | {method: site}


class Cell(Record):
    """One entry of the transfer matrix: fitted on ``train``'s train split, judged on ``test``'s test split.

    ``tpr`` is the true-positive rate at the threshold of 1 % (or as asked) false positives *within this test set*, a
    description of the scores; the rates at the threshold that ships are in ``OperatingPoint``.
    """

    site: str
    method: str
    train: str
    test: str
    auroc: Measured
    tpr: Measured
    n_positive: int
    n_negative: int


class RandomDirections(Record):
    """AUROC of ``count`` random directions at a site on a test set, each oriented on train rows.

    ``best`` is the best one *on this test set*: it has looked at the test labels, so it is what luck alone can reach.
    """

    site: str
    train: str
    test: str
    count: int
    mean: float
    sd: float
    best: float
    worst: float
    chosen_on_train: float


class Shuffled(Record):
    """The chosen procedure on shuffled labels: its AUROCs on a test split, sorted.

    The labels of the train, calibration and test splits are shuffled alike, each within itself, so that nothing is
    left for a probe to read. ``p_value`` is (1 + number of shuffles that do as well) / (1 + number of shuffles).
    """

    test: str
    aurocs: tuple[float, ...]
    p_value: float


class Baseline(Record):
    """A rival that does not read activations, fitted on the same train split and judged on the same test split.

    A rival that asks is fitted on the calibration split at most. ``accuracy``: its balanced accuracy at score 0, for
    rivals that are not fitted on the train split. ``notes``: lines to be read with it, such as its rules, in order.
    """

    name: str
    description: str
    train: str
    test: str
    auroc: Measured
    kind: RivalKind = "text"
    accuracy: Measured | None = None
    notes: tuple[str, ...] = ()


class Advantage(Record):
    """AUROC of the chosen probe minus that of a rival on the same test rows (paired group bootstrap)."""

    baseline: str
    test: str
    difference: Measured
    kind: RivalKind = "text"


class Gap(Record):
    """What a reader learned of ``test`` on the training distribution, as a share of what its like learned on ``test``.

    (AUROC of the one - 0.5) / (AUROC of the other - 0.5) on the same test rows. ``method`` is that of a probe, at
    ``site``, which is its best one, or the name of a text baseline, with no site.
    """

    method: str
    site: str | None
    test: str
    recovered: Measured


class Shortcut(Record):
    """How well the *probe's* score reads a nuisance column, and how the nuisance goes with the label in train.

    ``auroc_within`` is the AUROC of the score for the nuisance within rows of one label, averaged over labels, so
    that a score that reads the label alone stays at 0.5 whatever the coupling.
    """

    nuisance: str
    site: str
    method: str
    test: str
    auroc_within: Measured
    train_agreement: float


class OperatingPoint(Record):
    """What the shipped threshold does on a test set: shares of rows above it, with exact intervals."""

    test: str
    tpr: Measured
    fpr: Measured
    unit_fpr: Measured


LEAST_CAUSE = 0.1
"""Of the model's answers; see :attr:`Causal.least_swap`."""


class Causal(Record):
    """What the model's answers do when a probe's direction is interchanged, or taken away, in held-out pairs of texts.

    ``swap``: 1 where the component along the direction alone decides the answer, 0 where it has no part in it.
    ``ablation``: the share of the gap between the two texts' answers that goes with the component. ``random_swap`` and
    ``random_ablation``: the same of ``count`` random directions at the site, mean and best. ``displaced_swap``: of
    ``displaced_count`` random directions, where each is moved along as far as the probe's direction would be.
    ``n_left_out``: pairs whose two texts the model answers alike, of ``n_pairs``.
    """

    site: str
    method: str
    test: str
    swap: Measured
    ablation: Measured
    random_swap: tuple[float, float]
    displaced_swap: tuple[float, float]
    random_ablation: tuple[float, float]
    count: int
    displaced_count: int
    n_pairs: int
    n_left_out: int

    @property
    def least_swap(self) -> float:
        """What the interval of ``swap`` must lie above for a cause: every random direction, and a tenth.

        Activations vary so unevenly that less than a tenth is reached by many a direction that has nothing to do with
        the label.
        """
        return max(LEAST_CAUSE, self.random_swap[1], self.displaced_swap[1])


class Planted(Record):
    """What was planted in the organism that a study read: in sentences, and in columns of its texts.

    ``columns``: what each column of the texts says beside the label, which is the planted truth. Their values are those
    of the world, not what the trained model was seen to say.
    """

    organism: str
    sentences: tuple[str, ...]
    columns: dict[str, str]


class Followed(Record):
    """How well a probe's score ranks what a planted column says, where the label is the planted truth.

    ``agreement``: the share of test rows of which the column says the same as the label; where that is all of them,
    nothing can be told apart. ``lead``: the AUROC for the column minus that for the label, on the same resamples.
    """

    column: str
    site: str
    method: str
    test: str
    agreement: float
    auroc: Measured
    lead: Measured


class Histogram(Record):
    """Scores of the chosen probe on one test set, counted per label; ``edges`` has one entry more than the counts."""

    test: str
    edges: tuple[float, ...]
    positive: tuple[int, ...]
    negative: tuple[int, ...]


class Mistake(Record):
    """A text that the chosen probe gets badly wrong: its rank from 0 (lowest score) to 1 within its test set."""

    test: str
    id: str
    text: str
    label: int
    score: float
    rank: float


class Leak(Record):
    """A text of a test split that stands, exactly or nearly, in the train split as well."""

    kind: Literal["exact", "near"]
    train_id: str
    test_id: str
    similarity: float
    train_text: str
    test_text: str


class Leaked(Record):
    """How many rows of a set, of how many, stand exactly or nearly in the train split.

    ``test`` names a distribution's test split, or is ``calibration`` for that of the training distribution.
    """

    test: str
    n_exact: int
    n_near: int
    n_rows: int


class Leakage(Record):
    """What the leakage check found: pairs over all sets looked at, the worst examples, and rows per set."""

    n_exact: int
    n_near: int
    near_threshold: float
    examples: tuple[Leak, ...]
    by_set: tuple[Leaked, ...] = ()


Stance = Literal["for", "against", "note"]
Outcome = Literal["holds", "holds in part", "refuted", "undecided"]


class Statement(Record):
    """One sentence of the verdict, the rule that wrote it, and the figures that triggered it.

    ``rule`` is the rule's name, ``condition`` what it asks for, ``test`` the test set it speaks of (None: all).
    """

    rule: str
    condition: str
    test: str | None
    stance: Stance
    text: str
    because: str


class Verdict(Record):
    """Whether a probe can be trusted, in words. ``headline`` is one short paragraph; each statement has its rule.

    ``outcome`` is ``refuted`` if it does not hold even on held-out texts of its own distribution, or does no better
    there than chance, luck or the text alone; ``holds in part`` if it fails elsewhere or follows a
    shortcut; ``undecided`` if the data are too few to tell.
    """

    rules_version: int
    outcome: Outcome
    headline: str
    statements: tuple[Statement, ...]


class Distribution(Record):
    """A named set of texts as it was used: rows and groups per split, share of positives, hash."""

    name: str
    source: str
    fingerprint: str
    rows: dict[str, int]
    groups: dict[str, int]
    positives: dict[str, int]
    grouped_by: str
    truncated: int


class Evidence(Record):
    """Everything that a study measured about the probe that it chose, and about those that it did not.

    ``train`` names the distribution on which site and method were chosen; ``sites`` and ``methods`` list what was
    tried, in order, ``left_out`` what was not for want of pairs; ``causal`` is empty where no answers were named, and
    ``causal_candidates``, judged on a fold of the training split, where the choice was by AUROC; ``planted`` is None
    but for organisms; in ``leave_one_out`` the chosen site and method were fitted on all other distributions together;
    ``shuffled_pairs``, where the method is fitted on pairs, is as ``shuffled``, with partners that were drawn anew;
    ``likeness`` is None where the rows do not vary; ``hiding`` has one entry a test set on which a positive raises an
    alarm; ``daily_alarms`` is empty where the spec names no traffic, and ``probabilities`` None in records from before
    they were kept; ``fpr`` and ``level`` are the asked false-positive rate and the level of all intervals.
    """

    format_version: Literal[1] = 1
    train: str
    site: str
    method: str
    sites: tuple[str, ...]
    methods: tuple[str, ...]
    distributions: tuple[Distribution, ...]
    fpr: float
    level: float
    candidates: tuple[Candidate, ...]
    transfer: tuple[Cell, ...]
    random_directions: tuple[RandomDirections, ...]
    shuffled: tuple[Shuffled, ...]
    baselines: tuple[Baseline, ...]
    advantages: tuple[Advantage, ...]
    shortcuts: tuple[Shortcut, ...]
    threshold: Threshold | Unavailable
    operating_points: tuple[OperatingPoint, ...]
    histograms: tuple[Histogram, ...]
    mistakes: tuple[Mistake, ...]
    leakage: Leakage
    verdict: Verdict | Unavailable
    left_out: tuple[str, ...] = ()
    chosen_by: Literal["auroc", "cause"] = "auroc"
    causal_candidates: tuple[Causal, ...] = ()
    causal: tuple[Causal, ...] = ()
    planted: Planted | None = None
    followed: tuple[Followed, ...] = ()
    gaps: tuple[Gap, ...] = ()
    best_rivals: tuple[BestRival, ...] = ()
    activation_nulls: tuple[ActivationNull, ...] = ()
    shuffled_pairs: tuple[Shuffled, ...] = ()
    control_task: ControlTask | Unavailable | None = None
    leave_one_out: tuple[Cell, ...] = ()
    data_curve: tuple[CurvePoint, ...] = ()
    few_shots: tuple[FewShots, ...] = ()
    label_words: tuple[LabelWord, ...] = ()
    pair_orders: tuple[PairOrder, ...] = ()
    kinships: tuple[Kinship, ...] = ()
    likeness: Likeness | None = None
    hiding: tuple[ActivationBudget, ...] = ()
    daily_alarms: tuple[DailyAlarms, ...] = ()
    probabilities: Probabilities | Unavailable | None = None
