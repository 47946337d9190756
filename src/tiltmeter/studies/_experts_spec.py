"""What a contest of rules against a student is asked to do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, ValidationError, model_validator

from tiltmeter.core.errors import FileError, SpecError
from tiltmeter.core.records import Record
from tiltmeter.experts import StudentSpec
from tiltmeter.studies._spec import AnswersSpec

Named = Annotated[str, Field(min_length=1)]


class GrammarSpec(Record):
    """A planted grammar, another one for each seed.

    ``noise``: the share of texts that the teacher labels wrongly. ``depth``: how many negations the hand rules count.
    ``n_test``: texts a suite.
    """

    noise: float = Field(default=0.05, ge=0, lt=0.5)
    depth: int = Field(default=1, ge=0)
    n_test: int = Field(default=400, ge=20)


class TeacherSpec(Record):
    """Who labels the demonstrations; just one of three.

    ``outputs``: a JSON Lines file with ``text`` and ``output``. ``classifier``: a Hugging Face model for sequence
    classification, with ``positive``, its label that means 1. ``model``: an organism or another decoder, with the
    ``answers`` that it gives to texts of either label.
    """

    outputs: Named | None = None
    classifier: Named | None = None
    positive: Named | None = None
    model: Named | None = None
    answers: AnswersSpec | None = None

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
    """Real texts: ``home``, of which a share ``for_test`` is held out, and sets ``elsewhere``, which are domain shift.

    ``label_positive``: the label that means 1, and ``label_negative`` that which means 0; rows of other labels are left
    out. Both None: the labels are 0 and 1. ``lexicon``: words labelled 1 (praise) and 0 (blame), for rules by hand in
    English; None for no such rules. ``written``: a YAML file of rules that a language model wrote.
    """

    home: Named
    elsewhere: dict[Named, Named] = Field(default_factory=dict)
    label_positive: str | None = None
    label_negative: str | None = None
    for_test: float = Field(default=0.5, gt=0, lt=1)
    lexicon: Named | None = None
    written: Named | None = None


class ExpertsSpec(Record):
    """A contest: a planted ``grammar``, or ``texts`` with a ``teacher`` (None: the true labels teach).

    ``sizes``: demonstrations, ascending; of texts, the last may be left out for all there are. ``hours`` of writing by
    contestant, where somebody knows them.

    Examples
    --------
    >>> ExpertsSpec(name="planted", grammar=GrammarSpec()).seeds
    (0, 1, 2, 3, 4, 5, 6, 7)
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")
    grammar: GrammarSpec | None = None
    texts: TextsSpec | None = None
    teacher: TeacherSpec | None = None
    student: StudentSpec = StudentSpec()
    sizes: tuple[int, ...] = Field(default=(300, 1000, 3000, 10000), min_length=1)
    seeds: tuple[int, ...] = Field(default=tuple(range(8)), min_length=1)
    hours: dict[Named, float] = Field(default_factory=dict)

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
    if not path.is_file():
        raise FileError(
            f"{path} does not exist; give the path of a spec (YAML), such as examples/experts/grammar.yaml."
        )
    try:
        spec = ExpertsSpec.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise SpecError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "the spec"
        message = problem["msg"].removeprefix("Value error, ")
        raise SpecError(f"{path}: {where}: {message}.") from None

    def beside(where: str | None) -> str | None:
        return None if where is None else str(path.parent / where) if (path.parent / where).exists() else where

    changed: dict[str, Record] = {}
    if spec.texts is not None:
        named = {name: beside(getattr(spec.texts, name)) for name in ("home", "lexicon", "written")}
        others = {name: beside(where) for name, where in spec.texts.elsewhere.items()}
        changed["texts"] = spec.texts.model_copy(update={**named, "elsewhere": others})
    if spec.teacher is not None:
        paths = {name: beside(getattr(spec.teacher, name)) for name in ("outputs", "classifier", "model")}
        changed["teacher"] = spec.teacher.model_copy(update=paths)
    return spec.model_copy(update=changed)
