"""What a contest of rules against a student is asked to do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from tiltmeter.core.errors import SpecError
from tiltmeter.core.experts import ContestantKind
from tiltmeter.core.records import Record
from tiltmeter.experts import MOST_NEGATIONS, StudentSpec
from tiltmeter.studies._spec import AnswersSpec
from tiltmeter.studies._spec_reading import beside, first_problem, read_content

Named = Annotated[str, Field(min_length=1)]

# suites that every set of texts gives by itself
_OWN_SUITES = ("home", "negation", "contrast", "irony", "typos")
# YAML reads these as truth values and numbers
_HINTS = {
    "texts.label_positive": "'texts.label_positive': give a string; of a number, or of yes and no, in quotation marks",
    "texts.label_negative": "'texts.label_negative': give a string; of a number, or of yes and no, in quotation marks",
}


class GrammarSpec(Record):
    """A planted grammar, another one for each seed."""

    noise: float = Field(default=0.05, ge=0, lt=0.5)
    """The share of texts that the teacher labels wrongly."""
    depth: int = Field(default=1, ge=0, le=MOST_NEGATIONS)
    """How many negations the hand rules count."""
    deeper: float = Field(default=0.5, gt=0, le=1)
    """For each clause with k negations there are so many with k + 1, up to ``deepest``."""
    deepest: int = Field(default=MOST_NEGATIONS, ge=0, le=MOST_NEGATIONS)
    """Most negations in a clause."""
    n_test: int = Field(default=400, ge=20)
    """Texts a suite."""
    written: Named | None = None
    """A YAML file of rules that a language model wrote, with ``PRAISE`` and the like in place of words of a language
    (:func:`tiltmeter.experts.rules_for`)."""


class TeacherSpec(Record):
    """Who labels the demonstrations; just one of ``outputs``, ``classifier`` and ``model``."""

    outputs: Named | None = None
    """A JSON Lines file with ``text`` and ``output``."""
    classifier: Named | None = None
    """A Hugging Face model for sequence classification."""
    positive: Named | None = None
    """The label of the classifier that means 1."""
    model: Named | None = None
    """An organism or another decoder."""
    answers: AnswersSpec | None = None
    """What the model says of texts of either label."""

    @model_validator(mode="after")
    def _there_is_one(self) -> TeacherSpec:
        if sum(one is not None for one in (self.outputs, self.classifier, self.model)) != 1:
            raise ValueError("give one of outputs, classifier and model")
        if (self.classifier is None) != (self.positive is None):
            raise ValueError("a classifier needs positive, its label that means 1, and nothing else does")
        if (self.model is None) != (self.answers is None):
            raise ValueError("a model needs answers, what it says of either label, and nothing else does")
        return self


class TextsSpec(Record):
    """Real texts.

    Texts that come with a split, such as an organism's, keep it, and nothing is drawn. Without ``label_positive`` and
    ``label_negative`` the labels are 0 and 1.
    """

    home: Named
    """The texts of the demonstrations, of which a share is held out."""
    elsewhere: dict[Named, Named] = Field(default_factory=dict)
    """Other sets by name, which are domain shift."""
    label_positive: str | None = None
    """The label that means 1."""
    label_negative: str | None = None
    """The label that means 0; rows of other labels are left out."""
    for_test: float = Field(default=0.5, gt=0, lt=1)
    """The share of ``home`` that is held out."""
    lexicon: Named | None = None
    """Words labelled 1 (praise) and 0 (blame), for rules by hand in English; none for no such rules."""
    written: Named | None = None
    """A YAML file of rules that a language model wrote."""

    @model_validator(mode="after")
    def _names_and_labels_are_told_apart(self) -> TextsSpec:
        if taken := sorted(set(self.elsewhere) & set(_OWN_SUITES)):
            raise ValueError(f"elsewhere names {taken[0]!r}, which is a suite of the texts at home; give another name")
        if self.label_negative is not None and self.label_negative == self.label_positive:
            raise ValueError("label_negative and label_positive are the same; give two labels")
        if self.label_negative is not None and self.label_positive is None:
            raise ValueError("label_negative needs label_positive, the label that means 1")
        return self


class ExpertsSpec(Record):
    """A contest: a planted ``grammar``, or ``texts`` with a ``teacher``.

    Examples
    --------
    >>> ExpertsSpec(name="planted", grammar=GrammarSpec()).seeds
    (0, 1, 2, 3, 4, 5, 6, 7)
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")
    """What the contest is called."""
    grammar: GrammarSpec | None = None
    """A planted grammar."""
    texts: TextsSpec | None = None
    """Real texts."""
    teacher: TeacherSpec | None = None
    """Who labels the texts; none: the true labels teach."""
    student: StudentSpec = StudentSpec()
    """The network that learns from the demonstrations."""
    sizes: tuple[int, ...] = Field(default=(300, 1000, 3000, 10000), min_length=1)
    """Demonstrations, ascending; of texts, the last may be left out for all there are."""
    seeds: tuple[int, ...] = Field(default=tuple(range(8)), min_length=1)
    """Of grammars, splits and students."""
    hours: dict[ContestantKind, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Hours of writing by contestant, where somebody knows them."""

    @model_validator(mode="after")
    def _there_is_something_to_contest(self) -> ExpertsSpec:
        if (self.grammar is None) == (self.texts is None):
            raise ValueError("give either grammar or texts")
        if self.grammar is not None and self.teacher is not None:
            raise ValueError("a grammar has a teacher of its own, which errs by its noise; leave teacher out")
        if min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds are whole numbers from 0, each once")
        if list(self.sizes) != sorted(set(self.sizes)) or self.sizes[0] < 1:
            raise ValueError("sizes are ascending whole numbers from 1")
        return self


def read_experts_spec(path: Path) -> ExpertsSpec:
    """Read the spec of a contest from YAML; paths in it are taken relative to its folder where they exist there.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    FileError
        If the file is not there.
    SpecError
        If it is not YAML, a key is unknown or a value is wrong.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "spec.yaml"
    >>> _ = path.write_text("{name: planted, grammar: {depth: 2}}")
    >>> read_experts_spec(path).grammar.depth
    2
    """
    content = read_content(path, kind="a contest's spec, such as examples/experts/grammar.yaml")
    if not isinstance(content, dict):
        raise SpecError(f"{path} must hold keys and values such as name, grammar, texts and teacher.")
    try:
        spec = ExpertsSpec.model_validate(content)
    except ValidationError as error:
        raise SpecError(f"{path}: {first_problem(error, spec=ExpertsSpec, hints=_HINTS)}.") from None

    def there(where: str | None) -> str | None:
        return None if where is None else beside(path.parent, where)

    changed: dict[str, Record] = {}
    if spec.grammar is not None:
        changed["grammar"] = spec.grammar.model_copy(update={"written": there(spec.grammar.written)})
    if spec.texts is not None:
        named = {name: there(getattr(spec.texts, name)) for name in ("home", "lexicon", "written")}
        others = {name: there(where) for name, where in spec.texts.elsewhere.items()}
        changed["texts"] = spec.texts.model_copy(update={**named, "elsewhere": others})
    if spec.teacher is not None:
        paths = {name: there(getattr(spec.teacher, name)) for name in ("outputs", "classifier", "model")}
        changed["teacher"] = spec.teacher.model_copy(update=paths)
    return spec.model_copy(update=changed)
