"""What a release is made of agrees with itself: versions, lower bounds, and what is packed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

import tiltmeter

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pinned(file: str) -> dict[str, str]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_the_minimal_constraints_are_the_lower_bounds_of_the_package():
    bounds = dict(re.fullmatch(r"([a-z0-9-]+)>=([\d.]+)", line).groups() for line in PROJECT["dependencies"])
    minimal = pinned("constraints-minimal.txt")
    assert list(minimal) == list(bounds)
    for name, lowest in bounds.items():
        if name == "torch":
            # the file says why
            assert minimal[name] == pinned("constraints.txt")[name]
        else:
            assert re.fullmatch(rf"{re.escape(lowest)}(\.0)*", minimal[name]), name


def test_what_is_cited_is_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(cited["version"]) == tiltmeter.__version__
    assert cited["license"] == PROJECT["license"]
    assert cited["cff-version"] == "1.2.0" and {"title", "authors", "message"} <= set(cited)


def test_the_package_is_typed_and_brings_what_the_demo_reads():
    package = Path(tiltmeter.__file__).parent
    assert (package / "py.typed").is_file()
    assert (package / "organisms" / "facts" / "model.safetensors").is_file()


def test_tests_that_run_with_other_versions_are_there():
    marked = [path for path in (ROOT / "tests").rglob("test_*.py") if "mark.smoke" in path.read_text(encoding="utf-8")]
    assert len(marked) > 5
