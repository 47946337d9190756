"""The page of a contest: every figure of the record, no script, and every name as text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.report.records import EVIL
from tiltmeter.core.errors import FileError
from tiltmeter.core.experts import Contestant, Cost, Crossover, Experts, Judged, Suite, Taught, Transparency
from tiltmeter.core.files import write_json
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.report import render_experts, write_experts

NEVER = "in 1 of 2 seeds the student stays below"
NO_RULES = Unavailable(reason="a network has no rules")


def estimate(value: float) -> Estimate:
    return Estimate(value=value, low=value - 0.03, high=value + 0.03, n=8, method="percentile bootstrap", seed=0)


def judged(accuracy: float, agreement: float) -> Judged:
    return Judged(accuracy=estimate(accuracy), agreement=estimate(agreement), by_seed=(accuracy,))


def contestant(name: str, kind, *, right: float, n_rules: int | None, clash: Measured) -> Contestant:
    return Contestant(
        name=name,
        kind=kind,
        about=f"about {name}",
        suites={"home": judged(right, 0.612), "depth 3": judged(right / 2, 0.55)},
        transparency=Transparency(
            n_rules=n_rules, bits=12345, answered=clash, one_rule=clash, clash=clash, modified=clash
        ),
        cost=Cost(lines=n_rules, hours=None, n_demonstrations=7, cpu_seconds=1.5),
    )


def record(**changed) -> Experts:
    rules = contestant("hand rules", "hand rules", right=0.843, n_rules=39, clash=estimate(0.127))
    student = contestant("student", "student", right=0.734, n_rules=None, clash=NO_RULES)
    whole = {
        "name": EVIL, "about": f"about {EVIL}", "teacher": EVIL, "home": "home", "seeds": (0, 1), "unit": "seeds",
        "level": 0.95, "versions": {"torch": "1"}, "platform": "Linux", "cpu_seconds": 3.0,
        "suites": (
            Suite(name="home", about=EVIL, n=40, depth=None, teacher=estimate(0.95)),
            Suite(name="depth 3", about="deep", n=40, depth=3, teacher=estimate(0.96)),
        ),
        "contestants": (rules, student),
        "curve": tuple(Taught(n_demonstrations=n, suites=student.suites) for n in (10, 100)),
        "crossovers": (
            Crossover(rival="hand rules", size=estimate(42.0), by_seed=(42.0,)),
            Crossover(rival="mixed", size=Unavailable(reason=NEVER), by_seed=(None,)),
        ),
    }  # fmt: skip
    return Experts.model_validate(whole | changed)


def test_the_page_shows_the_figures_of_the_record_and_no_script():
    page = render_experts(record())
    for shown in ("84.3 %", "73.4 %", "61.2 %", "12.7 %", "12,345", "42 [42, 42] demonstrations", "about student"):
        assert shown in page
    assert NEVER in page and "a network has no rules" in page
    assert "<script" not in page and EVIL not in page
    # two pictures, and in the key a line for each contestant
    assert page.count('role="img"') == 2 and page.count('class="dash"') == 2


def test_contestants_that_do_alike_stand_aside_of_one_another_each_with_its_own_dash_and_shape():
    same = record()
    student = same.contestants[1].model_copy(update={"suites": same.contestants[0].suites})
    page = render_experts(same.model_copy(update={"contestants": (same.contestants[0], student)}))
    picture = page.split('role="img"')[2]
    # depth 3 alone has a depth: one point each, of one height
    points = re.findall(r'<path transform="translate\(([\d.]+),([\d.]+)\)"', picture)
    assert len(points) == 2 and points[0][1] == points[1][1]
    assert float(points[1][0]) - float(points[0][0]) == pytest.approx(5)
    key = re.findall(r'stroke="(.*?)".*?stroke-dasharray="(.*?)"', page)
    assert key[:2] == [("var(--m0)", "1 0"), ("var(--m1)", "7 3")]


def test_a_contest_of_one_size_and_no_depths_has_no_pictures():
    bare = record()
    suites = (bare.suites[0],)
    page = render_experts(bare.model_copy(update={"suites": suites, "curve": bare.curve[:1]}))
    assert 'role="img"' not in page and "There is no figure to draw." in page


def test_the_page_is_written_beside_its_record(tmp_path: Path):
    with pytest.raises(FileError, match=r"holds no experts.json; tiltmeter study makes one"):
        write_experts(tmp_path)
    write_json(tmp_path / "experts.json", record().model_dump(mode="json"))
    assert write_experts(tmp_path).read_text(encoding="utf-8") == render_experts(record())
