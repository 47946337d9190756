"""``tiltmeter steer``: side by side in the terminal and on a page, from every kind of file, and clear refusals."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tiltmeter.cli import main
from tiltmeter.core import Direction, Site
from tiltmeter.core.steering import SideBySide
from tiltmeter.interventions import SteeringVectors, answer_gradient, write_gguf
from tiltmeter.models import load
from tiltmeter.organisms import load as load_organism
from tiltmeter.organisms import texts as organism_texts

Run = Callable[..., str]
SITE = Site(0, "resid_post")
PROMPTS = ("--prompt", "w1 w2 is", "--prompt", "the city of w3")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command in this process and returns what it printed."""

    def call(*arguments: object, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["tiltmeter", "steer", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "100")
        with pytest.raises(SystemExit) as stopped:
            main()
            sys.exit(0)
        printed = capsys.readouterr()
        assert stopped.value.code == code, printed.err
        return printed.out if code == 0 else printed.err

    return call


@pytest.fixture
def direction(tmp_path: Path) -> Path:
    Direction(np.eye(16)[3], site=SITE, sign=1, method="LDA").save(tmp_path / "probes" / "0.resid_post", stem="lda")
    return tmp_path / "probes" / "0.resid_post" / "lda"


def test_texts_stand_side_by_side_in_the_terminal_and_on_a_page(
    run: Run, tiny_model: Path, direction: Path, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "steered"
    printed = run(
        tiny_model, direction, *PROMPTS, "--strengths", "-3,3", "--max-new-tokens", 4, "--neutral",
        _texts(tmp_path), "--out", out,
    )  # fmt: skip
    record = SideBySide.model_validate(json.loads((out / "steering.json").read_text(encoding="utf-8")))
    # a quotient of norms, and back
    assert [dose.share for dose in record.doses] == pytest.approx([-3.0, 3.0], rel=1e-12)
    assert [one.prompt for one in record.prompts] == ["w1 w2 is", "the city of w3"]
    assert record.doses[0].fluency is not None and record.doses[0].fluency.kl.kind == "estimate"
    for text in ("w1 w2 is", "along the direction by LDA at 0.resid_post", "-3", "+3", "KL", "random", "Page: "):
        assert text in printed
    for one in record.prompts:
        assert all(word in printed for text in (one.bare, *one.steered, *one.random) for word in text.split())
    assert sorted(path.name for path in out.iterdir()) == ["steering.html", "steering.json"]
    assert "exists already" in run(tiny_model, direction, *PROMPTS, "--out", out, code=2)


def _texts(folder: Path, *, n: int = 8) -> Path:
    path = folder / "neutral.jsonl"
    path.write_text("".join(json.dumps({"text": f"the city of w{i} is w2 ."}) + "\n" for i in range(n)), "utf-8")
    return path


def test_of_too_few_neutral_texts_the_cost_is_unavailable_and_it_says_why(
    run: Run, tiny_model: Path, direction: Path, tmp_path: Path
) -> None:
    out, reason = tmp_path / "out", "7 rows are too few to resample; 8 are needed"
    printed = run(
        tiny_model, direction, *PROMPTS, "--strengths", "-3,3", "--max-new-tokens", 1, "--neutral",
        _texts(tmp_path, n=7), "--out", out,
    )  # fmt: skip
    assert printed.count(reason) == 1
    record = json.loads((out / "steering.json").read_text(encoding="utf-8"))
    assert {dose["fluency"]["kl"]["reason"] for dose in record["doses"]} == {reason}
    page = (out / "steering.html").read_text(encoding="utf-8")
    assert reason in page


def test_without_a_folder_nothing_is_written(run: Run, tiny_model: Path, direction: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    printed = run(tiny_model, direction, *PROMPTS, "--strengths", "2", "--max-new-tokens", 2)
    assert "w1 w2 is" in printed and "Page" not in printed
    assert sorted(tmp_path.rglob("*")) == before


def test_every_kind_of_file_steers_alike(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    vector = np.random.default_rng(0).normal(size=16).astype(np.float32)
    unit = vector.astype(np.float64) / np.linalg.norm(vector.astype(np.float64))
    Direction(-unit, site=Site(1, "resid_post"), sign=-1).save(tmp_path / "direction")
    vectors = SteeringVectors({1: vector}, model_hint="llama")
    vectors.save(tmp_path / "set")
    write_gguf(tmp_path / "v.gguf", vectors)
    found = []
    for path in ("direction", "set/steering.safetensors", "v.gguf"):
        out = tmp_path / f"out{len(found)}"
        run(tiny_model, tmp_path / path, *PROMPTS, "--strengths", "-2,2", "--max-new-tokens", 8, "--out", out)
        record = json.loads((out / "steering.json").read_text(encoding="utf-8"))
        found.append([one["steered"] for one in record["prompts"]])
    assert found[0] == found[1] == found[2]
    assert found[0][0][0] != found[0][0][1]


def test_prompts_come_from_a_file_and_strengths_in_nats(
    run: Run, tiny_model: Path, direction: Path, tmp_path: Path
) -> None:
    out, texts = tmp_path / "out", _texts(tmp_path)
    run(
        tiny_model, direction, "--prompts", texts, "--units", "kl", "--strengths", "1e-5,-1e-5", "--neutral", texts,
        "--max-new-tokens", 1, "--out", out,
    )  # fmt: skip
    record = json.loads((out / "steering.json").read_text(encoding="utf-8"))
    assert len(record["prompts"]) == 8
    for dose in record["doses"]:
        assert abs(dose["fluency"]["kl"]["value"] / 1e-5 - 1) < 0.02
        assert np.sign(dose["factor"]) == np.sign(dose["asked"])


def test_on_the_organism_its_answer_follows_the_direction_and_no_random_one(run: Run, tmp_path: Path) -> None:
    subject = load(str(load_organism("facts").folder))
    texts = organism_texts("facts", "negated", distribution="negated")
    train = texts.select(np.flatnonzero(texts.split == "train")[:60])
    answer_gradient(subject, train, positive="<true>", negative="<false>", site="2.resid_post").save(tmp_path / "d")
    test = texts.select(np.flatnonzero(texts.split == "test")[:6])
    prompts = [word for text in test.texts or () for word in ("--prompt", text)]
    out = tmp_path / "out"
    run(
        "organism:facts", tmp_path / "d", *prompts, "--strengths=-1", "--max-new-tokens", 1, "--out", out
    )  # fmt: skip
    record = json.loads((out / "steering.json").read_text(encoding="utf-8"))
    assert [one["bare"] for one in record["prompts"]] == ["<true>" if label else "<false>" for label in test.y]
    assert [one["steered"] for one in record["prompts"]] == [["<false>"]] * 6
    assert [one["random"] for one in record["prompts"]] == [[one["bare"]] for one in record["prompts"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give prompts by --prompt, or a file of them by --prompts"),
        ((*PROMPTS, "--prompts", "a.jsonl"), "Give prompts by --prompt, or a file"),
        (("--prompts", "none.jsonl"), "none.jsonl"),
        ((*PROMPTS, "--neutral", "none.jsonl"), "none.jsonl"),
        ((*PROMPTS, "--strengths", "some"), "--strengths 'some' is not a list of numbers"),
        ((*PROMPTS, "--strengths", "1,,2"), "is not a list of numbers"),
        ((*PROMPTS, "--strengths", "0"), "no strength but 0"),
        ((*PROMPTS, "--strengths", "nan"), "finite"),
        ((*PROMPTS, "--units", "kl"), "need neutral texts"),
        ((*PROMPTS, "--max-new-tokens", "0"), "max_new_tokens is 0"),
        ((*PROMPTS, "--max-new-tokens", "999"), "longer than the 32"),
        (("--prompt", " "), "the text is empty"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    run: Run, tiny_model: Path, direction: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    said = run(tiny_model, direction, *arguments, "--out", tmp_path / "deep" / "out", code=2)
    lines = [line for line in said.splitlines() if line.startswith("tiltmeter: ")]
    assert len(lines) == 1 and message in lines[0] and "Traceback" not in said
    assert sorted(tmp_path.rglob("*")) == before


def test_vectors_that_do_not_belong_are_one_sentence(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    unit = np.eye(16)[0]
    Direction(unit, site=SITE, method="LAT").save(tmp_path / "unsigned")
    Direction(unit, sign=1).save(tmp_path / "homeless")
    Direction(np.eye(5)[0], site=SITE, sign=1).save(tmp_path / "narrow")
    Direction(unit, site=Site(7, "resid_post"), sign=1).save(tmp_path / "deep")
    write_gguf(tmp_path / "other.gguf", SteeringVectors({1: np.ones(16, np.float32)}, model_hint="gpt2"))
    write_gguf(tmp_path / "wide.gguf", SteeringVectors({1: np.ones(17, np.float32)}, model_hint="llama"))
    write_gguf(tmp_path / "long.gguf", SteeringVectors({1: np.ones(16, np.float32)}, layer_count=31))
    (tmp_path / "cut.gguf").write_bytes((tmp_path / "long.gguf").read_bytes()[:70])
    for name, message in {
        "unsigned": "by LAT has no sign",
        "homeless": "No site is named",
        "narrow": "width 5",
        "deep": "7",
        "other.gguf": "made for a gpt2 model",
        "wide.gguf": "width 17",
        "long.gguf": "31 or more blocks",
        "cut.gguf": "not a control vector that can be read",
        "nowhere": "neither a direction nor steering vectors",
    }.items():
        said = run(tiny_model, tmp_path / name, *PROMPTS, code=2)
        (line,) = [line for line in said.splitlines() if line.startswith("tiltmeter: ")]
        assert message in line, name


def test_what_a_terminal_would_obey_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    from tests.report.test_steering_page import make_comparison
    from tiltmeter.cli._print import side_by_side

    record = make_comparison()
    one = record.prompts[0].model_copy(update={"steered": ("\x1b[31mred [bold]x[/bold]", "a" * 300)})
    side_by_side(record.model_copy(update={"prompts": (one,)}))
    printed = capsys.readouterr().out
    assert "\x1b[31m" not in printed and "[bold]x[/bold]" in printed
    assert printed.count("a") >= 300 and "…" not in printed
