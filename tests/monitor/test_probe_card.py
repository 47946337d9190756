"""The card of a probe tells a stranger everything that speaks against it, and cannot be changed unnoticed."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

from tests.made_runs import evidence_of, make_monitor, scored_rows
from tests.report.records import EVIL, make_barren, make_evidence, make_evil, make_run
from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import FileError, FormatError, SpecError
from tiltmeter.core.evidence import Evidence, Verdict
from tiltmeter.core.files import seal
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.monitor import Monitor, read_card, write_card
from tiltmeter.report import render


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return evidence_of(scored_rows(strength=1.5))


@pytest.fixture
def folder(evidence: Evidence, tmp_path: Path) -> Path:
    make_monitor(tmp_path / "m", evidence)
    return tmp_path / "m"


def page_of(folder: Path) -> str:
    return (folder / "README.md").read_text(encoding="utf-8")


def unescaped(page: str) -> str:
    return re.sub(r"\\([\\`*<|&_])", r"\1", page).replace("]\\(", "](")


def statements_of(verdict: Verdict | Unavailable) -> list[str]:
    assert isinstance(verdict, Verdict)
    return [f"{said.text} ({said.because})" for said in verdict.statements]


def test_every_statement_of_the_verdict_stands_on_the_card_word_for_word_and_those_against_come_first(
    folder: Path, evidence: Evidence
) -> None:
    card = write_card(folder)
    page = unescaped(page_of(folder))
    assert isinstance(evidence.verdict, Verdict) and card.evidence.verdict == evidence.verdict
    assert evidence.verdict.headline in page
    for said in statements_of(evidence.verdict):
        assert f"- {said} – *" in page
    against, for_, notes = (page.index(f"### {heading}") for heading in ("Against it", "For it", "To be noted"))
    assert against < for_ < notes < page.index("## What it reads")
    for said in evidence.verdict.statements:
        where = page.index(f"- {said.text} (")
        part = "against" if against < where < for_ else "for" if where < notes else "note"
        assert part == said.stance
        assert f"| {said.rule} | {said.condition} |" in page


def test_the_card_holds_figures_nulls_rivals_threshold_causes_and_the_splits(folder: Path, evidence: Evidence) -> None:
    write_card(folder)
    page = page_of(folder)
    for cell in evidence.transfer:
        assert isinstance(cell.auroc, Estimate)
        assert f"{cell.auroc.value:.2f} [{cell.auroc.low:.2f}, {cell.auroc.high:.2f}]" in page
    for words in ("random directions at its site", "shuffled labels", "bag of words", "swap success", "strictly above"):
        assert words in page
    for distribution in evidence.distributions:
        assert f"| {distribution.name} | {distribution.rows.get('train', '–')} |" in page


def test_the_hub_reads_licence_base_model_tags_and_metrics_off_the_front_matter(folder: Path) -> None:
    card = write_card(folder, licence="apache-2.0")
    read = ModelCard.load(folder / "README.md").data
    assert (read.library_name, read.license, read.base_model) == ("tiltmeter", "apache-2.0", "Qwen/Qwen3-0.6B")
    verdict = card.evidence.verdict
    assert isinstance(verdict, Verdict)
    assert {"tiltmeter", "verdict:" + verdict.outcome.replace(" ", "-")} <= set(read.tags or ())
    found = {(one.dataset_name, one.metric_type): one for one in read.eval_results or ()}
    for cell in card.evidence.transfer:
        one = found[cell.test, "roc_auc"]
        assert isinstance(cell.auroc, Estimate) and one.metric_value == cell.auroc.value
        assert one.metric_args is not None
        assert (one.metric_args["low"], one.metric_args["high"]) == (cell.auroc.low, cell.auroc.high)
    assert {kind for _, kind in found} == {"roc_auc", "recall", "false_positive_rate"}


def test_a_model_of_a_folder_and_a_licence_that_nobody_gave_are_not_made_up(evidence: Evidence, tmp_path: Path) -> None:
    monitor = make_monitor(tmp_path / "m", evidence, model="models/mine")
    local = {**monitor.card.model_fingerprint, "revision": None}
    Monitor(monitor.direction, monitor.card.model_copy(update={"model_fingerprint": local})).save(tmp_path / "local")
    card = write_card(tmp_path / "local")
    assert card.base_model is None and card.licence is None
    front = yaml.safe_load(page_of(tmp_path / "local").split("---")[1])
    assert not {"license", "base_model"} & set(front)
    page = page_of(tmp_path / "local")
    assert "No licence was given" in page and "`MODEL` is where models/mine is" in page
    assert write_card(tmp_path / "local", base_model="me/mine").base_model == "me/mine"
    assert '"me/mine"' in page_of(tmp_path / "local")


def test_the_card_quotes_no_text_of_the_data_and_says_where_they_are(tmp_path: Path) -> None:
    evidence = make_evidence()
    make_monitor(tmp_path / "m", evidence)
    card = write_card(tmp_path / "m")
    assert card.n_texts == len(evidence.mistakes) + 2 * len(evidence.leakage.examples) > 0
    written = page_of(tmp_path / "m") + (tmp_path / "m" / "card.json").read_text(encoding="utf-8")
    for quoted in (*(m.text for m in evidence.mistakes), *(e.test_text for e in evidence.leakage.examples)):
        assert quoted not in written
    assert f"quotes {card.n_texts} texts" in page_of(tmp_path / "m")
    assert card.evidence.leakage.n_near == evidence.leakage.n_near


def test_the_card_tells_of_the_chosen_probe_alone(tmp_path: Path) -> None:
    evidence = make_evidence()
    make_monitor(tmp_path / "m", evidence)
    kept = write_card(tmp_path / "m").evidence
    assert {(c.site, c.method, c.train) for c in kept.transfer} == {(evidence.site, evidence.method, evidence.train)}
    assert {c.test for c in kept.transfer} == {c.test for c in evidence.transfer}
    assert {r.site for r in kept.random_directions} == {evidence.site}
    assert kept.verdict == evidence.verdict and kept.advantages == evidence.advantages


@pytest.mark.long
def test_where_nothing_could_be_measured_the_card_says_so(tmp_path: Path) -> None:
    make_monitor(tmp_path / "m", make_barren())
    card = write_card(tmp_path / "m")
    page = page_of(tmp_path / "m")
    assert "**There is none**" in page and "– (only one class in this set)" in page
    assert "model-index" not in page.split("---")[1]
    assert card.evidence.verdict == make_barren().verdict
    bare = make_barren().model_copy(update={"causal": (), "transfer": (), "baselines": (), "shortcuts": ()})
    make_monitor(tmp_path / "bare", bare)
    write_card(tmp_path / "bare")
    assert "This was not tested." in page_of(tmp_path / "bare")
    assert "no test set was measured" in page_of(tmp_path / "bare")


def test_names_that_try_to_be_markup_are_read_as_names(tmp_path: Path) -> None:
    evil = make_evil()
    make_monitor(tmp_path / "m", evil, name=f"{EVIL} [a](b) | c")
    write_card(tmp_path / "m")
    page = page_of(tmp_path / "m").split("---", 2)[2]
    assert EVIL not in page and "\\<script>" in page
    assert "[a](b)" not in page and "\x00" not in page and "\x1b" not in page
    body = [line for line in page.splitlines() if line.startswith("| ") and "script" in line]
    heads = {"test set": 7, "texts": 7}
    assert body and all(len(re.findall(r"(?<!\\)\|", line)) - 1 in {2, 3, 4, *heads.values()} for line in body)
    assert yaml.safe_load(page_of(tmp_path / "m").split("\n---\n")[0])["model-index"][0]["name"].startswith(EVIL)


def test_a_card_that_was_written_is_read_back_and_another_one_replaces_it(folder: Path) -> None:
    first = write_card(folder)
    assert read_card(folder) == first
    second = write_card(folder, licence="mit")
    assert read_card(folder) == second != first
    Monitor.load(folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "card.json", "direction.json", "direction.safetensors", "monitor.json",
    ]  # fmt: skip


def test_a_card_can_be_written_elsewhere(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write_card(folder, out=tmp_path / "out")
    assert not (folder / "card.json").exists()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"README.md", "card.json"}
    with pytest.raises(FileError, match=r"monitor\.json does not exist"):
        read_card(tmp_path / "out")


def test_a_page_a_card_or_a_monitor_that_was_changed_is_refused(folder: Path, evidence: Evidence) -> None:
    write_card(folder)
    page, card = folder / "README.md", folder / "card.json"
    whole = page.read_text(encoding="utf-8")
    page.write_text(whole.replace("Against it", "Praise"), encoding="utf-8")
    with pytest.raises(FormatError, match=r"README\.md does not match the hash in card\.json"):
        read_card(folder)
    page.write_text(whole, encoding="utf-8")
    content = json.loads(card.read_text(encoding="utf-8"))
    content["evidence"]["verdict"]["outcome"] = "holds"
    card.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(FormatError, match="does not match the hash that it holds"):
        read_card(folder)
    card.write_text("{", encoding="utf-8")
    with pytest.raises(FormatError, match="not valid JSON"):
        read_card(folder)
    card.write_text("[]", encoding="utf-8")
    with pytest.raises(FormatError, match="not a probe card of format version 1"):
        read_card(folder)
    write_card(folder)
    other = folder.parent / "other"
    make_monitor(other, evidence, name="another")
    (folder / "monitor.json").write_bytes((other / "monitor.json").read_bytes())
    with pytest.raises(FormatError, match=r"monitor\.json does not match the hash in card\.json"):
        read_card(folder)


def test_a_card_that_lacks_a_part_under_a_right_hash_is_no_whole_card(folder: Path) -> None:
    content = write_card(folder).model_dump(mode="json")
    del content["meaning"]
    content["sha256_of_the_rest"] = seal(content)
    (folder / "card.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(FormatError, match="not a whole probe card: meaning"):
        read_card(folder)


def test_a_monitor_without_evidence_gets_no_card(evidence: Evidence, tmp_path: Path) -> None:
    monitor = make_monitor(tmp_path / "m", evidence)
    bare = Direction(monitor.direction.vector, site=monitor.direction.site, sign=1, method="hand")
    Monitor(bare, monitor.card).save(tmp_path / "bare")
    with pytest.raises(SpecError, match=r"has no evidence \(not assessed\)"):
        write_card(tmp_path / "bare")


@pytest.mark.parametrize(
    ("given", "match"), [({"licence": "Apache 2"}, "licence is 'Apache 2'"), ({"base_model": "a b"}, "base_model is")]
)
def test_a_licence_or_base_model_that_is_no_identifier_is_refused(folder: Path, given: dict, match: str) -> None:
    with pytest.raises(SpecError, match=match):
        write_card(folder, **given)
    assert not (folder / "card.json").exists()


def test_the_verdict_is_one_and_the_same_in_the_record_the_monitor_the_card_and_the_report(
    evidence: Evidence, folder: Path
) -> None:
    write_card(folder)
    held = Monitor.load(folder).direction.evidence
    assert isinstance(held, Evidence)
    stored = Evidence.model_validate_json(evidence.model_dump_json())
    assert stored.verdict == held.verdict == read_card(folder).evidence.verdict
    report = html.unescape(render(make_run(), stored))
    page = unescaped(page_of(folder))
    assert isinstance(stored.verdict, Verdict)
    for said in stored.verdict.statements:
        for words in (said.text, said.because, said.rule, said.condition):
            assert words in report and words in page
    assert stored.verdict.headline in report and stored.verdict.headline in page
