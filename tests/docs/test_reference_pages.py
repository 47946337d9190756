"""The first page, the reference and whatever else is no how-to, explanation or tutorial, followed by a machine."""

from __future__ import annotations

import csv
import shutil
from datetime import UTC, datetime
from pathlib import Path

import props
import pytest
from pages import DOCUMENTS, ROOT, fences
from stages import Stage, below, cases, follow, with_steps

from tiltmeter import activations, models, organisms, studies
from tiltmeter.core.alarms import Alarm, Raised, Scored, ScoredText
from tiltmeter.monitor import MonitorLog

pytestmark = pytest.mark.docs

# those pages of the how-to that read the same run are followed by the same process
FACTS = pytest.mark.xdist_group("facts")
MAKE = dict.fromkeys(("make demo ", "make test "), "whoever checks a change runs make itself")


def cities(folder: Path) -> None:
    props.organism_model(folder / "Qwen/Qwen3-0.6B", "facts")
    texts = organisms.texts("facts", "affirmative")
    with (folder / "cities.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("text", "label", "group"))
        rows.writerows(zip(texts.texts or (), texts.y.astype(int), texts.groups, strict=True))
    props.organism_texts(folder / "new_texts.jsonl", "facts/negated")


def a_log(folder: Path) -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    raised = Raised(monitor="m", sha256="f" * 64, score=1.5, threshold=1.0, at="end")
    alarm = Alarm(
        id="a", time=now, rule="m", raised=(raised,), text_id="t", token=None, n_tokens=3, text=None,
        model="tiny", source="score",
    )  # fmt: skip
    scored = ScoredText(time=now, text_id="t", scores={"m": Scored(score=1.5, alarm=True)}, text=None, source="score")
    with MonitorLog(folder / "alarms.sqlite") as log:
        log.write(alarms=[alarm], texts=[scored])


def a_run(folder: Path) -> None:
    props.facts_run(folder / "runs" / "facts")


def two_runs(folder: Path) -> None:
    a_run(folder)
    props.facts_run(folder / "runs" / "old")


def a_store(folder: Path) -> None:
    subject = models.load(str(organisms.load("facts").folder))
    texts = organisms.texts("facts", "affirmative")
    activations.collect(subject, texts, sites=["3.resid_post"], pooling="last", store=folder / "acts")


def with_sqlite() -> dict[str, str]:
    """Return what is run for the program sqlite3 where there is none: the same engine, from Python."""
    run = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchall())"
    return {} if shutil.which("sqlite3") else {"\nsqlite3 alarms": f'\npython -c "{run}" alarms'}


STAGES = {
    "README": Stage(cities, instead={"runs/DATE-cities": "runs/*-cities"}, left_out=MAKE),
    "docs/index": Stage(left_out=MAKE),
    "docs/reference/log-format": Stage(a_log, instead=with_sqlite()),
    "docs/reference/run-format": Stage(a_run, marks=(FACTS,)),
    "docs/reference/store-format": Stage(a_store),
    "docs/reference/verdict": Stage(
        two_runs,
        left_out={"tiltmeter study examples/facts.yaml --out runs/facts ": "the run that stands there was made so"},
        marks=(FACTS,),
    ),
}


@pytest.mark.parametrize("name", cases(STAGES))
def test_a_page_is_followed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    follow(name, STAGES[name], folder=tmp_path)


def test_every_page_is_followed() -> None:
    elsewhere = {page for part in ("how-to", "explanation", "tutorials") for page in below(f"docs/{part}")}
    assert with_steps(page for page in DOCUMENTS if page not in elsewhere) == STAGES.keys()


def test_the_spec_of_the_first_page_is_one_that_can_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    props.organism_model(tmp_path / "Qwen/Qwen3-0.6B", "facts")
    for name, texts in (("cities", "affirmative"), ("neg_cities", "negated")):
        props.organism_texts(tmp_path / f"{name}.jsonl", f"facts/{texts}")
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    (spec,) = (code for language, code in fences(page) if language == "yaml")
    (tmp_path / "cities.yaml").write_text(spec, encoding="utf-8")
    cost = studies.study_cost(studies.read_spec(tmp_path / "cities.yaml"))
    assert {one.name for one in cost.distributions} == {"cities", "negated"}
