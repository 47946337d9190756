"""The explanation pages, followed by a machine; those of the methods are in ``test_documents``."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import props
import pytest
from pages import ROOT
from stages import Stage, below, cases, follow, slow_cases, with_steps

pytestmark = pytest.mark.docs

AGENTS = pytest.mark.skipif(
    importlib.util.find_spec("minigrid") is None, reason="needs the extra agents: pip install 'tiltmeter[agents]'"
)
TUNED = """\
subject = train_against_tampering(organism, TamperingScheme(method="exclusion"))
texts = tampering_texts(organism.world, "untrusted")
scores = foretold_all_on(subject.model, subject.tokenizer, texts=texts, head="all")
"""
# what its model says
RULES = "rules: [{contains: river, then: 1}]"


def a_teacher(folder: Path) -> None:
    props.organism_texts(folder / "taught.jsonl", "facts/affirmative")
    props.model_that_says(folder / "Qwen/Qwen3-0.6B", RULES)


def stego_models(folder: Path) -> None:
    for name in ("ENCODER", "MODEL", "STORIES"):
        props.model(folder / name)


STAGES = {
    "docs/explanation/agents": Stage(
        instead={"python examples/agents.py FOLDER ": "python examples/agents.py FOLDER --seeds 0 "},
        left_out={"pip install 'tiltmeter[agents]'": "the page is skipped where the extra is not installed"},
        slow={"OMP_NUM_THREADS=1 python examples/agents.py FOLDER ": "two minutes of processor time for one seed"},
        marks=(AGENTS,),
    ),
    "docs/explanation/experts": Stage(
        a_teacher,
        slow={
            "tiltmeter study examples/experts/grammar.yaml": "five minutes",
            "tiltmeter study examples/experts/facts.yaml": "one minute",
        },
    ),
    "docs/explanation/league": Stage(
        # two seeds of one task: all of them take more than an hour
        instead={"--out league-seeds --seeds 0,1,2": "--out league-seeds --only pupil-truth --seeds 0,1"},
        marks=(pytest.mark.slow,),  # seven minutes for the whole league, three for the rest
    ),
    "docs/explanation/steganography": Stage(
        stego_models,
        # a game of 200 texts takes minutes, with real models hours
        instead={
            "play maths --maths": "play maths --games 4 --maths",
            "--max-new-tokens 30 --games 120": "--max-new-tokens 30 --games 12",
            "functions.jsonl --encoder ENCODER": "functions.jsonl --encoder ENCODER --games 4",
            "--writer MODEL --encoder ENCODER": "--writer MODEL --encoder ENCODER --games 4 --max-new-tokens 20",
            "--games 80 --max-new-tokens 80": "--games 4 --max-new-tokens 20",
        },
    ),
    "docs/explanation/organisms/beliefs": Stage(marks=(pytest.mark.slow,)),  # it is trained, for five to nine minutes
    "docs/explanation/organisms/chain": Stage(
        # one organism and one depth: fifteen organisms, and twenty depths, take most of an hour
        instead={
            "python examples/encoded_reasoning.py chain\n": (
                "python examples/encoded_reasoning.py chain --groups hidden --seeds 1\n"
            ),
            "python examples/encoded_reasoning.py depth\n": (
                "python examples/encoded_reasoning.py depth --seeds 0 --layers 1\n"
            ),
        },
        marks=(pytest.mark.slow,),  # four minutes of training
    ),
    "docs/explanation/organisms/coup": Stage(
        # seed 0 comes along; each other takes nine minutes of training
        instead={
            "--seeds 0 1 2 3 4 --out coup.json": "--seeds 0 --out coup.json",
            "coup_attacks.py --seeds 0 1 2 3 4\n": "coup_attacks.py --seeds 0\n",
        },
        slow={
            "tiltmeter organism train coup --seed 1 ": "nine minutes",
            "python examples/coup.py --seeds 0 1 2 3 4 --out coup.json\n": "some minutes",
            "python examples/coup_attacks.py --seeds 0 1 2 3 4\n": "some minutes",
        },
    ),
    "docs/explanation/organisms/deception": Stage(
        left_out={
            "python docs/explanation/organisms/deception_figure.py ": (
                "trains twelve organisms, and draws the picture of the page anew"
            )
        },
        slow={
            "tiltmeter organism train hacker ": "one minute",
            "tiltmeter study examples/deception.yaml --set organism=deceiver": "half a minute",
        },
    ),
    "docs/explanation/organisms/elections": Stage(
        # seed 0 of one group comes along; twenty organisms take twenty minutes
        instead={
            "python examples/encoded_reasoning.py elections\n": (
                "python examples/encoded_reasoning.py elections --groups hidden --seeds 0\n"
            )
        },
        slow={
            "tiltmeter organism train elections-hidden --seed 1 ": "one minute",
            "python examples/encoded_reasoning.py elections\n": "more than a minute for one organism",
        },
    ),
    "docs/explanation/organisms/facts": Stage(
        slow={"tiltmeter study examples/facts.yaml ": "half a minute; with --out it is run for the pages of its run"}
    ),
    "docs/explanation/organisms/pupil": Stage(
        slow={"tiltmeter organism train pupil --seed 1 ": "one minute"},
    ),
    "docs/explanation/organisms/quirky": Stage(
        slow={"tiltmeter organism train quirky --seed 1 ": "three and a half minutes"},
    ),
    "docs/explanation/organisms/tampering": Stage(
        slow={
            "tiltmeter organism train tampering --seed 1 ": "two minutes",
            TUNED: "twenty seconds",
        },
    ),
}


@pytest.fixture(autouse=True)
def _organisms_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # what is trained for one page stays there
    monkeypatch.setenv("TILTMETER_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", cases(STAGES))
def test_a_page_is_followed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    follow(name, STAGES[name], folder=tmp_path)


@pytest.mark.parametrize("name", slow_cases(STAGES))
def test_a_page_is_followed_with_what_takes_minutes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    follow(name, STAGES[name], folder=tmp_path, with_slow=True)


def test_every_page_is_followed() -> None:
    methods = ROOT / "docs" / "explanation" / "methods"
    assert with_steps(page for page in below("docs/explanation") if page.parent != methods) == STAGES.keys()
