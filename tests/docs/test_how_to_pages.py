"""The how-to pages, followed by a machine: every command and all Python, in the order of the page."""

from __future__ import annotations

import csv
import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import props
import pytest
from made_monitors import made_monitor
from pages import FENCE, ROOT
from stages import Stage, below, cases, follow, with_steps

from tiltmeter import models, organisms
from tiltmeter.monitor import make_reference

pytestmark = pytest.mark.docs

RAY = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs the extra ray: pip install 'tiltmeter[ray]'"
)
INSPECT = pytest.mark.skipif(
    importlib.util.find_spec("inspect_ai") is None,
    reason="needs inspect_ai, which the extra bench brings: pip install 'tiltmeter[bench]'",
)
# one process makes the run that these pages begin with, for all of them
FACTS = pytest.mark.xdist_group("facts")
ALREADY = "the same command made the run that stands there, once for all pages"
FACTS_STUDY = {"tiltmeter study examples/facts.yaml --out runs/facts\n": ALREADY}
UNTIL_UP = "curl --silent --retry 300 --retry-delay 1 --retry-connrefused http://127.0.0.1"


def fence(name: str, *, speaks_of: str) -> str:
    """Return the one fence of a page that speaks of something, as it stands there."""
    page = (ROOT / f"docs/how-to/{name}.md").read_text(encoding="utf-8")
    (found,) = (code for _, _, code in FENCE.findall(page) if speaks_of in code)
    return found


INSPECT_CODE = fence("ecosystem", speaks_of="from inspect_ai")
GPT_OSS_CODE = fence("real-models", speaks_of="Mxfp4Config")


def attempts(folder: Path) -> None:
    props.model(folder / "FOLDER")


def collected(folder: Path) -> None:
    props.model(folder / "Qwen/Qwen3-0.6B")
    props.sentence_lines(folder / "texts.jsonl", n_groups=20)


def dictionaries(folder: Path) -> None:
    width = models.load(organisms.load("facts").folder).d_model
    for seed, name in enumerate(("some_sae", "another_sae")):
        props.dictionary(folder / name, d=width, seed=seed)


def easy_to_hard(folder: Path) -> None:
    props.model(folder / "FOLDER")
    props.arithmetic(folder / "FOLDER" / "arithmetic.jsonl")
    props.solutions(folder / "FOLDER" / "gsm8k_model_solutions.jsonl")
    props.problems(folder / "FOLDER" / "math_levels.jsonl")


def ecosystem(folder: Path) -> None:
    props.facts_run(folder / "runs/facts")
    shutil.copytree(Path(__file__).parent / "stand_ins/control_arena", folder / "control_arena")


def own_texts(folder: Path) -> None:
    props.model(folder / "my-model")
    rows = [(i, text, ("no", "yes")[y], group) for i, (text, y, group) in enumerate(props.sentences(120))]
    files = {
        "hate.csv": [("id", "sentence", "is_hateful", "template"), *rows],
        "new.csv": [("sentence",), ("I hate rain.",), ("I like rain.",)],
        "quiet.csv": [("sentence", "template"), *((row[1], row[3]) for row in rows if row[2] == "no")],
    }
    for name, lines in files.items():
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(lines)


def parity(folder: Path) -> None:
    props.facts_run(folder / "runs/facts")
    for name in ("new_texts.jsonl", "my_texts.jsonl"):
        props.organism_texts(folder / name, "facts/untold")


def planning(folder: Path) -> None:
    props.facts_run(folder / "runs/facts")


def publish(folder: Path) -> None:
    props.facts_run(folder / "runs/facts")
    props.organism_texts(folder / "texts.jsonl", "facts/untold")


def real_models(folder: Path) -> None:
    for name in ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-8B"):
        props.model(folder / name)
    props.sentence_lines(folder / "my_texts.jsonl", n_groups=60)


def rivals(folder: Path) -> None:
    props.model(folder / "FOLDER", words=("big", "happy"))
    props.sentence_lines(folder / "FOLDER" / "hatecheck_en.jsonl", n_groups=60)


def serving(folder: Path) -> None:
    for name in ("facts", "a", "b", "new"):
        props.facts_run(folder / "runs" / name)
    props.organism_model(folder / "MODEL", "facts")


def shape(folder: Path) -> None:
    props.model(folder / "my_model")
    props.sentence_lines(folder / "texts.jsonl", n_groups=20)


def steering(folder: Path) -> None:
    props.facts_run(folder / "runs/demo")


def token_selections(folder: Path) -> None:
    props.model(folder / "Qwen/Qwen3-0.6B")
    said = {"user": "Is it late?", "assistant": "<think>Look at the clock.</think>No."}
    messages = [{"role": role, "content": content} for role, content in said.items()]
    props.lines(folder / "chats.jsonl", [{"messages": messages, "label": 0}])


def vllm(folder: Path) -> None:
    subject = models.load(props.model(folder / "Qwen/Qwen3-0.6B", n_layers=19))
    monitor = made_monitor(subject, "17.resid_post", threshold=0.0)
    texts = organisms.texts("facts", "untold").select(np.arange(40))
    monitor = replace(monitor, reference=make_reference(monitor, subject, texts=texts, drawn_from="made up"))
    monitor.save(folder / "runs/qwen/monitors/best")
    shutil.copytree(Path(__file__).parent / "stand_ins/vllm", folder / "vllm")


def watching(folder: Path) -> None:
    subject = models.load(organisms.load("coup").folder)
    made_monitor(subject).save(folder / "runs/coup/monitors/best")
    made_monitor(subject, running=0.0).save(folder / "monitors/theft")
    made_monitor(subject).save(folder / "monitors/joke")
    props.lines(folder / "support_chats.jsonl", [{"text": "close the vault .", "label": 0}] * 299)


def weights(folder: Path) -> None:
    props.model(folder / "Qwen/Qwen3-0.6B", words=(" she", " he"), n_layers=21)
    props.model(folder / "MINILM")
    props.model(folder / "MODEL", words=(" she", " he"))
    vectors = ("she 0.1 0.2 0.3", "he 0.3 0.2 0.1", "it 0.5 0.1 0.2")
    (folder / "glove.6B.100d.txt").write_text("\n".join(vectors) + "\n", encoding="utf-8")


STAGES = {
    "docs/how-to/adding-a-family": Stage(
        left_out={"python -m pytest tests/models tests/activations": "these tests are among those that run beside this"}
    ),
    "docs/how-to/attacks": Stage(),
    # 24,000 texts and a study of six sets: more than a minute of processor time
    "docs/how-to/attempts": Stage(attempts, marks=(pytest.mark.slow,)),
    "docs/how-to/causes": Stage(),
    "docs/how-to/collect-on-ray": Stage(
        collected,
        left_out={
            "tiltmeter collect Qwen/Qwen3-8B texts.jsonl --store /mnt/shared/acts --dtype bfloat16 \\\n"
            "    --engine ray --workers 16 --gpus 1 --address auto": "a cluster with 16 GPUs"
        },
        marks=(RAY,),
    ),
    "docs/how-to/compare": Stage(),
    "docs/how-to/dictionaries": Stage(
        dictionaries,
        # 4,000 steps for each of twelve dictionaries take more than a minute
        instead={"--seeds 0,1 --out dictionaries": "--seeds 0,1 --out dictionaries --steps 50"},
    ),
    # every method in three studies: a minute of processor time
    "docs/how-to/easy-to-hard": Stage(easy_to_hard, marks=(pytest.mark.slow,)),
    "docs/how-to/ecosystem": Stage(
        ecosystem, left_out={INSPECT_CODE: "test_the_page_on_harnesses_is_followed_with_inspect_ai"}, marks=(FACTS,)
    ),
    "docs/how-to/operating-points": Stage(),
    "docs/how-to/own-texts": Stage(
        own_texts,
        instead={
            "--log alarms.sqlite   #": f"--log alarms.sqlite --port 8000 2> serve.log &\n{UNTIL_UP}:8000/healthz  #"
        },
        ports=("8000",),
    ),
    "docs/how-to/parity": Stage(parity, marks=(FACTS,)),
    "docs/how-to/planning": Stage(planning, left_out=FACTS_STUDY, marks=(FACTS,)),
    "docs/how-to/publish": Stage(publish, within=props.hub, marks=(FACTS,)),
    "docs/how-to/real-models": Stage(
        real_models,
        # without a GPU
        instead={"--device cuda:0 ": "--device cpu "},
        left_out={GPT_OSS_CODE: "42 GB of weights from the Hub"},
    ),
    "docs/how-to/rivals": Stage(rivals),
    "docs/how-to/serving": Stage(
        serving,
        instead={
            # the log is of today
            "2026-11-24": "2100-01-01",
            "--keep-texts   #": f"--keep-texts --port 8000 2> serve.log &\n{UNTIL_UP}:8000/healthz  #",
            "--host 0.0.0.0\n": f"--host 0.0.0.0 --port 8001 2> public.log &\n{UNTIL_UP}:8001/healthz\n",
        },
        left_out={"pip install 'tiltmeter[serve]'\n": "it is installed, with the extra dev", **FACTS_STUDY},
        ports=("8000", "8001"),
        marks=(FACTS,),
    ),
    # a minute of processor time
    "docs/how-to/shape": Stage(shape, marks=(pytest.mark.slow,)),
    "docs/how-to/shift": Stage(),
    "docs/how-to/steering": Stage(steering, marks=(FACTS,)),
    "docs/how-to/token-selections": Stage(token_selections),
    "docs/how-to/vllm": Stage(vllm),
    "docs/how-to/watching": Stage(watching),
    "docs/how-to/weights": Stage(weights),
}


@pytest.mark.parametrize("name", cases(STAGES))
def test_a_page_is_followed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    follow(name, STAGES[name], folder=tmp_path)


@INSPECT
@pytest.mark.filterwarnings("ignore")
def test_the_page_on_harnesses_is_followed_with_inspect_ai(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # its own model that answers at once, without a network
    told = {'model="openai/gpt-5"': 'model="mockllm/model", display="none"'}
    follow("docs/how-to/ecosystem", Stage(ecosystem, instead=told), folder=tmp_path)


def test_every_page_is_followed() -> None:
    assert with_steps(below("docs/how-to")) == STAGES.keys()
