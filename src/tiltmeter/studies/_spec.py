"""What a study is asked to do: a YAML file, or the same object built in Python."""

from __future__ import annotations

import string
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, field_validator, model_validator

from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Guarantee, Record
from tiltmeter.core.site import Site
from tiltmeter.data import Span
from tiltmeter.models import LongTexts
from tiltmeter.studies._spec_reading import beside, first_problem, read_content

# the simplest first: ties between methods are broken in this order
Method = Literal[
    "mean_difference",
    "median_difference",
    "lat",
    "crc",
    "kmeans",
    "bss",
    "ccs",
    "ridge",
    "lda",
    "svm",
    "logistic",
    "contrast_logistic",
]
Named = Annotated[str, Field(min_length=1)]

# where pydantic's words would say less
_HINTS = {
    "read.sites": "'read.sites': give all, or a list such as [2.resid_post, -1.resid_post]",
    "probes.methods": f"'probes.methods': give all, or a list of some of {', '.join(get_args(Method))}",
}


class ModelSpec(Record):
    """Which model is read.

    ``vectors:FILE.npz`` takes one ready vector a text instead, such as word embeddings: ``words`` (n strings) and ``X``
    (n, d). Their site is ``0.resid_pre``; there is no monitor, since no model is watched.
    """

    path: str
    """A folder, a hub id, ``organism:NAME``, ``organism:NAME@SEED``, or ``vectors:FILE.npz``."""
    revision: str | None = None
    """The revision of a model on a hub; none: its newest."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """The precision in which the model computes."""
    device: str = "cpu"
    """Where it computes, such as ``cpu`` or ``cuda:0``."""


class TrainSpec(Record):
    """Which distribution the monitor is fitted on, and how every distribution is split."""

    distribution: str
    """The name, of those in ``texts``, of what probes are fitted on."""
    judge_only: tuple[str, ...] = ()
    """Distributions that nothing is fitted on: all their texts are test texts, but for those whose group stands in the
    train or calibration split of another distribution, which are left out."""
    ungrouped: Literal["rows", "shared_words"] = "rows"
    """What a distribution without groups is split by: its ``rows`` (or pairs), or groups of texts that share rare
    words (``shared_words``)."""
    pairs: Literal["given", "groups"] = "given"
    """As ``given`` by a pair column, or, in sets without one, all ``groups`` of two texts, one of each label."""
    fractions: tuple[float, float, float] = (0.5, 0.25, 0.25)
    """Train, calibration and test, by rows, which add up to 1; groups are never divided."""
    folds: int = Field(default=5, ge=2, le=20)
    """Folds of the training split, by which site and method are chosen."""
    benign: tuple[str, ...] = ()
    """Distributions whose calibration negatives set the threshold; none: the training one."""

    @model_validator(mode="after")
    def _fractions_make_a_whole(self) -> TrainSpec:
        if min(self.fractions) <= 0 or abs(sum(self.fractions) - 1) > 1e-6:
            raise ValueError("fractions must be three positive numbers that add up to 1 (train, calibration, test)")
        return self


class ReadSpec(Record):
    """Where activations are read."""

    sites: Literal["all"] | tuple[str, ...] = "all"
    """``all``, or a list such as ``[2.resid_post, -1.resid_post]``."""
    pooling: Literal["last", "mean", "max", "first"] = "last"
    """What is kept of the tokens that are read."""
    span: Span | None = None
    """Which tokens are read: ``all``, ``marked``, ``assistant``, ``{message: 2}`` or ``{between: [START, END]}``; none:
    as the texts say."""
    long_texts: LongTexts = "refuse"
    """What becomes of texts that are longer than the model's context."""
    skip_first: int = Field(default=0, ge=0)
    """So many first positions of a sequence are never read."""
    token_budget: int | None = Field(default=None, ge=1)
    """At most so many tokens in a batch; none: as fits the device."""

    @field_validator("sites")
    @classmethod
    def _sites_are_sites(cls, sites: Literal["all"] | tuple[str, ...]) -> Literal["all"] | tuple[str, ...]:
        if not sites:
            raise ValueError("it is empty; give all, or a list such as [2.resid_post, -1.resid_post]")
        if sites != "all":
            for site in sites:
                # which blocks there are is known with the model
                Site.parse(site)
        return sites


class ProbeSpec(Record):
    """Which methods are tried, and how one is chosen."""

    methods: Literal["all"] | tuple[Method, ...] | None = None
    """A list, or ``all``; none: ``mean_difference``, ``lat``, ``lda`` and ``logistic``. Those that need pairs are left
    out where there are none, unless they are listed."""
    C: float = Field(default=0.1, gt=0)
    """Inverse L2 of ``logistic``, ``svm`` and ``contrast_logistic``, relative to the within-class variance."""
    choose_by: Literal["auroc", "cause"] = "auroc"
    """Site and method by their ``auroc`` on folds of the training split, or by ``cause``, the swap success in pairs of
    a fold that they were not fitted on; that needs ``evidence.answers``."""

    @field_validator("methods")
    @classmethod
    def _methods_are_there(
        cls, methods: Literal["all"] | tuple[Method, ...] | None
    ) -> Literal["all"] | tuple[Method, ...] | None:
        if methods == ():
            raise ValueError("it is empty; give all, or a list such as [mean_difference, logistic]")
        return methods


class ThresholdSpec(Record):
    """The false-positive rate of the threshold, and what is promised of it."""

    fpr: float = Field(default=0.01, gt=0, lt=1)
    """The share of texts without the concept that may raise an alarm."""
    confidence: float = Field(default=0.95, gt=0, lt=1)
    """The probability with which the rate is kept, over calibration sets."""
    guarantee: Guarantee = "confidence"
    """``confidence``: the rate is kept with that probability; ``average``: it is kept on average over calibration
    sets, and ``confidence`` has no part."""
    per_day: float | None = Field(default=None, gt=0)
    """So many units (groups, where texts have groups) a day the monitor will see, for the number of false alarms."""


class AnswersSpec(Record):
    """What follows a text of either label: one or more answers of one token each."""

    positive: tuple[Named, ...] = Field(min_length=1)
    """Answers after a text of label 1, such as ``["<true>"]``."""
    negative: tuple[Named, ...] = Field(min_length=1)
    """Answers after a text of label 0."""


class MonitorSpec(Record):
    """Another model that is asked about each text.

    With an ``endpoint`` the calibration and test texts are sent to that address and to no other.
    """

    model: Named
    """A folder or a hub id; or, with ``endpoint``, the name of the model there."""
    prompt: Named
    """What it is asked; ``{text}`` stands for the text."""
    answers: AnswersSpec | None = None
    """What it says of either label."""
    endpoint: Named | None = None
    """The address of a server that speaks OpenAI's chat completions; none: the model is loaded here."""
    scale: tuple[float, float] | None = None
    """Of an endpoint, in place of answers: the lowest and the highest number that the prompt asks for."""
    key_variable: Named | None = None
    """The environment variable that holds the key."""
    timeout: float = Field(default=60.0, gt=0)
    """Seconds that an answer may take."""
    retries: int = Field(default=3, ge=0)
    """So often it is asked again where there was no answer."""

    @model_validator(mode="after")
    def _it_can_score(self) -> MonitorSpec:
        if (self.answers is None) == (self.scale is None):
            raise ValueError("give answers or, of an endpoint, a scale, and not both")
        if self.scale is not None and self.endpoint is None:
            raise ValueError("a scale needs an endpoint; of a model that is loaded here give answers")
        return self


class RivalsSpec(Record):
    """What the probe is held against beside the text baselines, which are always there."""

    question: Named | None = None
    """Asked of the model that is read, after each text or with ``{text}`` in it."""
    answers: AnswersSpec | None = None
    """Its answers, of one token each; none: those of the evidence, which are asked for even without a question."""
    perplexity: bool = False
    """Whether to try how likely the model finds each text."""
    embedder: Named | None = None
    """Any model for sentence embeddings."""
    rules: Named | None = None
    """A YAML file of ordered rules."""
    monitor: MonitorSpec | None = None
    """Another model that is asked."""
    untrained: bool | None = None
    """The chosen site in the same model with random weights; none: where it has at most 50 million."""
    types: Named | None = None
    """The column whose values get a random label each in control tasks; none: the groups."""


class EvidenceSpec(Record):
    """How hard the evidence looks.

    With ``answers`` every probe at ``resid_post`` is swapped and ablated in held-out pairs of the training
    distribution, whose texts must be plain and as long as each other.
    """

    bootstrap: int = Field(default=1000, ge=100)
    """Resamples of groups behind each interval."""
    level: float = Field(default=0.95, gt=0, lt=1)
    """The level of the intervals."""
    random_directions: int = Field(default=100, ge=1)
    """Directions drawn at random that the probe has to beat."""
    shuffles: int = Field(default=50, ge=19)
    """Refits on shuffled labels."""
    nuisances: tuple[str, ...] = ()
    """Columns that the score should not follow, with two values in the training texts; a test set in which one is
    constant is left out for it."""
    few_shots: tuple[str, ...] = ()
    """Distributions of which a few training positives (1 to 16) are added to the training texts, to see what they
    bring."""
    answers: AnswersSpec | None = None
    """What the model says after texts of either label; none: nothing is asked about causes."""
    rivals: RivalsSpec = RivalsSpec()
    """What the probe is held against."""

    @model_validator(mode="after")
    def _questions_have_answers(self) -> EvidenceSpec:
        if self.rivals.question is not None and (self.rivals.answers or self.answers) is None:
            raise ValueError("rivals.question needs answers: what the model says of either label")
        return self


class StudySpec(Record):
    """A whole study.

    Examples
    --------
    >>> spec = StudySpec(name="cities", model=ModelSpec(path="gpt2"), texts={"cities": "cities.jsonl"},
    ...                  train=TrainSpec(distribution="cities"))
    >>> spec.threshold.fpr
    0.01
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")
    """What the study is called; its run directory is named by it."""
    seed: int = Field(default=0, ge=0)
    """The seed of everything that is drawn."""
    model: ModelSpec
    """The model that is read."""
    texts: dict[Named, Named] = Field(min_length=1)
    """The name of each distribution, and its file, or ``organism:NAME/SET``."""
    rows: dict[Named, Named] = Field(default_factory=dict)
    """A condition on a column for those distributions of which not all rows are read, such as
    ``{easy: digits <= 2, hard: digits >= 4}``; see :func:`tiltmeter.data.select_where`."""
    train: TrainSpec
    """What is fitted on which texts."""
    read: ReadSpec = ReadSpec()
    """Where activations are read."""
    probes: ProbeSpec = ProbeSpec()
    """Which methods are tried."""
    threshold: ThresholdSpec = ThresholdSpec()
    """What the threshold promises."""
    evidence: EvidenceSpec = EvidenceSpec()
    """How hard the evidence looks."""

    @model_validator(mode="after")
    def _names_are_known(self) -> StudySpec:
        for name in (self.train.distribution, *self.train.benign, *self.train.judge_only):
            if name not in self.texts:
                raise ValueError(f"train names the distribution {name!r}, but texts has {', '.join(self.texts)}")
        if unknown := [name for name in self.rows if name not in self.texts]:
            raise ValueError(f"rows names the distribution {unknown[0]!r}, but texts has {', '.join(self.texts)}")
        for name in self.evidence.few_shots:
            if name not in self.texts or name in (self.train.distribution, *self.train.judge_only):
                raise ValueError(
                    f"evidence.few_shots names {name!r}; it must be another distribution of texts, not in judge_only"
                )
        fitted_on = {self.train.distribution, *self.train.benign}
        if both := sorted(fitted_on & set(self.train.judge_only)):
            raise ValueError(f"{both[0]!r} cannot be both fitted on and in train.judge_only")
        if self.probes.choose_by == "cause" and self.evidence.answers is None:
            raise ValueError(
                "probes.choose_by is cause, which needs evidence.answers: what the model says of each label"
            )
        return self


def read_spec(path: Path, *, values: Mapping[str, str] | None = None) -> StudySpec:
    """Read a spec from YAML.

    ``$name`` in the file is replaced from ``values``. Paths of texts and models are taken relative to the spec's
    folder where they exist there.

    Parameters
    ----------
    path
        The YAML file.
    values
        What the parameters in the file stand for.

    Raises
    ------
    FileError
        If the file is not there.
    SpecError
        If it is not YAML, a parameter has no value, a key is unknown (the nearest is suggested) or a value is wrong.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "spec.yaml"
    >>> _ = path.write_text("{name: s, model: {path: $m}, texts: {a: a.jsonl}, train: {distribution: a}}")
    >>> read_spec(path, values={"m": "gpt2"}).model.path
    'gpt2'
    """
    content = read_content(path, kind="a study spec")
    given, used = dict(values or {}), set[str]()
    content = _filled(content, given, used=used, path=path)
    if unused := sorted(set(given) - used):
        raise SpecError(f"--set gives a value for {unused[0]!r}, but {path} has no ${unused[0]}.")
    if not isinstance(content, dict):
        raise SpecError(f"{path} must hold keys and values such as name, model, texts and train.")
    spec = parse_spec(content, source=str(path))
    here = path.parent
    texts = {name: beside(here, where) for name, where in spec.texts.items()}
    model = spec.model.model_copy(update={"path": beside(here, spec.model.path)})
    rivals = spec.evidence.rivals
    changed: dict[str, Record] = {"model": model}
    named: dict[str, Any] = {
        name: beside(here, where) for name in ("rules", "embedder") if (where := getattr(rivals, name))
    }
    if rivals.monitor is not None and rivals.monitor.endpoint is None:
        there = beside(here, rivals.monitor.model)
        named["monitor"] = rivals.monitor.model_copy(update={"model": there})
    if named:
        changed["evidence"] = spec.evidence.model_copy(update={"rivals": rivals.model_copy(update=named)})
    return spec.model_copy(update={"texts": texts, **changed})


def parse_spec(content: Mapping[str, Any], *, source: str = "the spec") -> StudySpec:
    """Check the content of a spec; SpecError in one sentence that names the key and suggests the nearest.

    Examples
    --------
    >>> parse_spec({"name": "s", "modle": {}})
    Traceback (most recent call last):
    ...
    tiltmeter.core.errors.SpecError: the spec: unknown key 'modle'; did you mean 'model'?.
    """
    try:
        return StudySpec.model_validate(content)
    except ValidationError as error:
        raise SpecError(f"{source}: {first_problem(error, spec=StudySpec, hints=_HINTS)}.") from None


def _filled(content: Any, given: Mapping[str, str], *, used: set[str], path: Path) -> Any:  # noqa: ANN401
    """Replace each ``$name`` in the strings of a spec."""
    if isinstance(content, dict):
        return {key: _filled(value, given, used=used, path=path) for key, value in content.items()}
    if isinstance(content, list):
        return [_filled(value, given, used=used, path=path) for value in content]
    if not isinstance(content, str):
        return content
    template = string.Template(content)
    if not template.is_valid():
        raise SpecError(f"{path} has a stray $ in {content!r}; write $$ for a dollar sign.")
    for name in template.get_identifiers():
        if name not in given:
            raise SpecError(f"{path} has the parameter ${name} without a value; add --set {name}=VALUE.")
        used.add(name)
    return template.substitute(given)
