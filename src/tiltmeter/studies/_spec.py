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
    """Which model is read. ``path``: a folder, a hub id, ``organism:NAME``, or ``organism:NAME@SEED``.

    ``vectors:FILE.npz`` takes one ready vector a text instead, such as word embeddings: ``words`` (n strings) and ``X``
    (n, d). Their site is ``0.resid_pre``; there is no monitor, since no model is watched.
    """

    path: str
    revision: str | None = None
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    device: str = "cpu"


class TrainSpec(Record):
    """Which distribution the monitor is fitted on, and how every distribution is split.

    ``fractions`` are train, calibration and test, by rows; groups are never divided. ``benign`` names the
    distributions whose calibration negatives set the threshold (default: the training one). ``judge_only`` names
    distributions that nothing is fitted on: all their texts are test texts, but for those whose group stands in the
    train or calibration split of another distribution, which are left out. ``ungrouped`` says what a distribution
    without groups is split by: its rows (or pairs), or groups of texts that share rare words. ``pairs``: as ``given``
    by a pair column, or, in sets without one, all ``groups`` of exactly two texts, one of each label.
    """

    distribution: str
    judge_only: tuple[str, ...] = ()
    ungrouped: Literal["rows", "shared_words"] = "rows"
    pairs: Literal["given", "groups"] = "given"
    fractions: tuple[float, float, float] = (0.5, 0.25, 0.25)
    folds: int = Field(default=5, ge=2, le=20)
    benign: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _fractions_make_a_whole(self) -> TrainSpec:
        if min(self.fractions) <= 0 or abs(sum(self.fractions) - 1) > 1e-6:
            raise ValueError("fractions must be three positive numbers that add up to 1 (train, calibration, test)")
        return self


class ReadSpec(Record):
    """Where activations are read. ``sites``: ``all`` or a list such as ``[2.resid_post, -1.resid_post]``.

    ``span``: ``all``, ``marked``, ``assistant``, ``{message: 2}`` or ``{between: [START, END]}``; None: as the texts
    say. The first ``skip_first`` positions of a sequence are never read.
    """

    sites: Literal["all"] | tuple[str, ...] = "all"
    pooling: Literal["last", "mean", "max", "first"] = "last"
    span: Span | None = None
    long_texts: LongTexts = "refuse"
    skip_first: int = Field(default=0, ge=0)
    token_budget: int | None = Field(default=None, ge=1)

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
    """Which methods are tried.

    ``methods``: a list, or ``all``; None for ``mean_difference``, ``lat``, ``lda`` and ``logistic``. Of the last two
    ways those that need pairs are left out where there are none. ``C``: inverse L2 of ``logistic``, ``svm`` and
    ``contrast_logistic``, relative to the within-class variance. ``choose_by``: site and method by their ``auroc`` on
    folds of the training split, or by ``cause``, the swap success in pairs of a fold that they were not fitted on; that
    needs ``evidence.answers``.
    """

    methods: Literal["all"] | tuple[Method, ...] | None = None
    C: float = Field(default=0.1, gt=0)
    choose_by: Literal["auroc", "cause"] = "auroc"

    @field_validator("methods")
    @classmethod
    def _methods_are_there(
        cls, methods: Literal["all"] | tuple[Method, ...] | None
    ) -> Literal["all"] | tuple[Method, ...] | None:
        if methods == ():
            raise ValueError("it is empty; give all, or a list such as [mean_difference, logistic]")
        return methods


class ThresholdSpec(Record):
    """The false-positive rate of the threshold, and what is promised of it.

    ``guarantee``: ``confidence``, so that the rate is kept with probability ``confidence``; or ``average``, so that it
    is kept on average over calibration sets and ``confidence`` has no part. ``per_day``: how many units (groups, where
    texts have groups) a day the monitor will see, for the number of false alarms.
    """

    fpr: float = Field(default=0.01, gt=0, lt=1)
    confidence: float = Field(default=0.95, gt=0, lt=1)
    guarantee: Guarantee = "confidence"
    per_day: float | None = Field(default=None, gt=0)


class AnswersSpec(Record):
    """What follows a text of either label: one or more answers of one token each, such as ``["<true>"]``."""

    positive: tuple[Named, ...] = Field(min_length=1)
    negative: tuple[Named, ...] = Field(min_length=1)


class MonitorSpec(Record):
    """Another model that is asked about each text, through ``prompt`` (``{text}`` stands for it).

    ``model``: a folder or a hub id; or, with ``endpoint``, the address of a server that speaks OpenAI's chat
    completions, its name there. The calibration and test texts are sent to that address and to no other.
    ``answers``: what it says of either label; or, of an endpoint, ``scale``: the lowest and the highest number that the
    prompt asks for. ``key_variable``: the environment variable that holds the key.
    """

    model: Named
    prompt: Named
    answers: AnswersSpec | None = None
    endpoint: Named | None = None
    scale: tuple[float, float] | None = None
    key_variable: Named | None = None
    timeout: float = Field(default=60.0, gt=0)
    retries: int = Field(default=3, ge=0)

    @model_validator(mode="after")
    def _it_can_score(self) -> MonitorSpec:
        if (self.answers is None) == (self.scale is None):
            raise ValueError("give answers or, of an endpoint, a scale, and not both")
        if self.scale is not None and self.endpoint is None:
            raise ValueError("a scale needs an endpoint; of a model that is loaded here give answers")
        return self


class RivalsSpec(Record):
    """What the probe is held against beside the text baselines, which are always there.

    ``question``: asked of the model that is read, after each text or with ``{text}`` in it; its ``answers`` are of one
    token each (None: those of the evidence, which are asked for even without a question). ``perplexity``: how likely
    it finds each text. ``embedder``: any model for sentence embeddings. ``rules``: a YAML file of ordered rules.
    ``untrained``: the chosen site in the same model with random weights; None: where it has at most 50 million.
    ``types``: the column whose values get a random label each in control tasks; None: the groups.
    """

    question: Named | None = None
    answers: AnswersSpec | None = None
    perplexity: bool = False
    embedder: Named | None = None
    rules: Named | None = None
    monitor: MonitorSpec | None = None
    untrained: bool | None = None
    types: Named | None = None


class EvidenceSpec(Record):
    """How hard the evidence looks. ``nuisances``: columns with two values that the score should not follow.

    ``few_shots``: distributions of which a few training positives (1 to 16) are added to the training texts, to see
    what they bring.

    ``answers``: what the model says after texts of either label. With them every probe at ``resid_post`` is swapped and
    ablated in held-out pairs of the training distribution, whose texts must be plain and as long as each other.
    """

    bootstrap: int = Field(default=1000, ge=100)
    level: float = Field(default=0.95, gt=0, lt=1)
    random_directions: int = Field(default=100, ge=1)
    shuffles: int = Field(default=50, ge=19)
    nuisances: tuple[str, ...] = ()
    few_shots: tuple[str, ...] = ()
    answers: AnswersSpec | None = None
    rivals: RivalsSpec = RivalsSpec()

    @model_validator(mode="after")
    def _questions_have_answers(self) -> EvidenceSpec:
        if self.rivals.question is not None and (self.rivals.answers or self.answers) is None:
            raise ValueError("rivals.question needs answers: what the model says of either label")
        return self


class StudySpec(Record):
    """A whole study. ``texts`` maps the name of each distribution to a file, or to ``organism:NAME/SET``.

    ``rows`` holds a condition on a column for those distributions of which not all rows are read, such as
    ``{easy: digits <= 2, hard: digits >= 4}``; see :func:`tiltmeter.data.select_where`.

    Examples
    --------
    >>> spec = StudySpec(name="cities", model=ModelSpec(path="gpt2"), texts={"cities": "cities.jsonl"},
    ...                  train=TrainSpec(distribution="cities"))
    >>> spec.threshold.fpr
    0.01
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")
    seed: int = Field(default=0, ge=0)
    model: ModelSpec
    texts: dict[Named, Named] = Field(min_length=1)
    rows: dict[Named, Named] = Field(default_factory=dict)
    train: TrainSpec
    read: ReadSpec = ReadSpec()
    probes: ProbeSpec = ProbeSpec()
    threshold: ThresholdSpec = ThresholdSpec()
    evidence: EvidenceSpec = EvidenceSpec()

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
