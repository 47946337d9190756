"""Which kind of spec a file holds: a study's, or that of a contest of rules against a student."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tiltmeter.studies._experts_spec import ExpertsSpec
from tiltmeter.studies._spec import StudySpec
from tiltmeter.studies._spec_reading import read_content

SpecKind = Literal["study", "contest"]
_STUDY, _CONTEST = set(StudySpec.model_fields), set(ExpertsSpec.model_fields)


def spec_kind(path: Path) -> SpecKind:
    """Tell a study from a contest by its keys.

    A contest has ``grammar``, ``teacher``, ``student``, ``sizes`` or the like, or ``texts`` with a ``home``, and
    nothing that only a study has, such as ``model`` or ``train``. Everything else is taken for a study, so that what
    is wrong with it is said in a study's words.

    Parameters
    ----------
    path
        The YAML file.

    Raises
    ------
    FileError
        If the file is not there.
    SpecError
        If it is not YAML.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "spec.yaml"
    >>> _ = path.write_text("{name: planted, grammar: {depth: 2}}")
    >>> spec_kind(path)
    'contest'
    """
    content = read_content(path, kind="a study's spec, such as examples/facts.yaml")
    if not isinstance(content, dict) or set(content) & (_STUDY - _CONTEST):
        return "study"
    texts = content.get("texts")
    is_contest = bool(set(content) & (_CONTEST - _STUDY)) or (isinstance(texts, dict) and "home" in texts)
    return "contest" if is_contest else "study"
