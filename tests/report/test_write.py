"""From a run directory to its page, or one sentence about what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.report.records import make_evidence, make_run
from tiltmeter.core.errors import FileError, FormatError
from tiltmeter.core.files import write_json
from tiltmeter.report import render, write_report

pytestmark = pytest.mark.smoke


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_json(tmp_path / "run.json", make_run().model_dump())
    evidence = make_evidence(names=("facts",), n_sites=1, methods=("LDA",))
    write_json(tmp_path / "evidence.json", evidence.model_dump())
    return tmp_path


@pytest.mark.long
def test_the_page_lies_beside_its_records(folder: Path) -> None:
    path = write_report(folder)
    assert path == folder / "report.html"
    evidence = make_evidence(names=("facts",), n_sites=1, methods=("LDA",))
    assert path.read_text(encoding="utf-8") == render(make_run(), evidence)
    assert sorted(p.name for p in folder.iterdir()) == ["evidence.json", "report.html", "run.json"]


def test_an_earlier_page_is_replaced(folder: Path) -> None:
    (folder / "report.html").write_text("old", encoding="utf-8")
    assert "old" != write_report(folder).read_text(encoding="utf-8")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"nowhere is not a run directory; a report needs"):
        write_report(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["run.json", "evidence.json"])
def test_a_missing_record_is_named_and_the_old_page_stays(folder: Path, name: str) -> None:
    (folder / "report.html").write_text("old", encoding="utf-8")
    (folder / name).unlink()
    with pytest.raises(FileError, match=rf"{name} does not exist"):
        write_report(folder)
    assert (folder / "report.html").read_text(encoding="utf-8") == "old"


def test_a_failed_run_without_evidence_says_that_it_failed(folder: Path) -> None:
    (folder / "evidence.json").unlink()
    run = make_run().model_copy(update={"status": "failed", "error": "the disk was full"})
    write_json(folder / "run.json", run.model_dump())
    with pytest.raises(FileError, match=r"because the run failed \(the disk was full\)"):
        write_report(folder)


@pytest.mark.parametrize("name", ["run.json", "evidence.json"])
@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", "null", '{"format_version": 2}', "\ud800".encode("utf-8", "surrogatepass")]
)
def test_a_damaged_record_is_named_in_one_sentence(folder: Path, name: str, content: str | bytes) -> None:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FormatError, match=name) as caught:
        write_report(folder)
    assert "\n" not in str(caught.value)
    assert not (folder / "report.html").exists()


def test_a_record_of_another_version_says_which_field(folder: Path) -> None:
    record = json.loads((folder / "evidence.json").read_text(encoding="utf-8")) | {"format_version": 2}
    write_json(folder / "evidence.json", record)
    with pytest.raises(FormatError, match=r"format_version: Input should be 1"):
        write_report(folder)


def test_a_histogram_whose_counts_do_not_fit_its_edges_is_refused(folder: Path) -> None:
    record = json.loads((folder / "evidence.json").read_text(encoding="utf-8"))
    record["histograms"][0]["edges"].pop()
    write_json(folder / "evidence.json", record)
    with pytest.raises(FormatError, match=r"the histogram of facts has 27 edges for 27 and 27 counts"):
        write_report(folder)
