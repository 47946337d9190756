"""What a contest of rules against a student measured: the records that it writes and its page reads."""

from __future__ import annotations

from typing import Literal

from tiltmeter.core.records import Measured, Record

ContestantKind = Literal["hand rules", "written rules", "induced rules", "student", "mixed"]


class Suite(Record):
    """A set of test texts; ``n`` counts them, a seed. ``depth``: negations in each clause, where that is fixed.

    ``teacher``: how often the teacher says what is true.
    """

    name: str
    about: str
    n: int
    depth: int | None
    teacher: Measured


class Judged(Record):
    """How a contestant does on a suite, over all seeds.

    ``accuracy``: how often it says what is true. ``agreement``: how often it says what the teacher says, which is
    another question. ``by_seed``: the accuracy of each seed.
    """

    accuracy: Measured
    agreement: Measured
    by_seed: tuple[float, ...]


class Transparency(Record):
    """What there is to be read of a contestant, and how its rules get on with each other on the home suite.

    ``n_rules`` is None of a network. ``bits``: an upper bound of its description length, of one seed. ``answered``:
    texts of which some rule says something. ``one_rule``: texts of which a single rule, alone, says what all say.
    ``clash``: texts in which taking away a rule that speaks for itself lets another rule give another answer.
    ``modified``: texts in which taking away a rule that says nothing for itself, such as negation, changes the answer.
    """

    n_rules: int | None
    bits: int
    answered: Measured
    one_rule: Measured
    clash: Measured
    modified: Measured


class Cost(Record):
    """What a contestant costs.

    Lines and hours of writing (None: nobody wrote, or nobody told), texts that a teacher labelled, and processor time
    of a training, on average over seeds.
    """

    lines: int | None
    hours: float | None
    n_demonstrations: int
    cpu_seconds: float


class Contestant(Record):
    """One contestant, and how it did on each suite."""

    name: str
    kind: ContestantKind
    about: str
    suites: dict[str, Judged]
    transparency: Transparency
    cost: Cost


class Taught(Record):
    """The student after so many demonstrations."""

    n_demonstrations: int
    suites: dict[str, Judged]


class Crossover(Record):
    """From how many demonstrations on the student does as well as a contestant on the home suite.

    ``by_seed``: interpolated on the scale of logarithms; the smallest size where it does at once, and None where it
    never does. ``size``: their geometric mean, where each seed crosses and some do so behind the smallest size.
    """

    rival: str
    size: Measured
    by_seed: tuple[float | None, ...]


class Experts(Record):
    """A whole contest.

    ``unit``: what intervals resample, seeds of the world and student, or test texts (their groups where there are
    some).
    """

    format_version: Literal[1] = 1
    name: str
    about: str
    teacher: str
    home: str
    seeds: tuple[int, ...]
    unit: Literal["seeds", "texts"]
    level: float
    suites: tuple[Suite, ...]
    contestants: tuple[Contestant, ...]
    curve: tuple[Taught, ...]
    crossovers: tuple[Crossover, ...]
    versions: dict[str, str]
    platform: str
    cpu_seconds: float
