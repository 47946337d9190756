"""The page of errors shows what is really said: each message is raised here, and none is left over."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.made_monitors import made_monitor
from tiltmeter import activations, data, evaluation, models, organisms, probes, studies
from tiltmeter.core import Site
from tiltmeter.core.errors import TiltmeterError
from tiltmeter.monitor import Monitor

PAGE = (Path(__file__).parents[1] / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
SPEC = {
    "name": "cities",
    "model": {"path": "gpt2"},
    "texts": {"cities": "cities.jsonl"},
    "train": {"distribution": "cities"},
}
RARE = "certainly the home of Redutu is nifuna . "
X, Y = np.random.default_rng(0).normal(size=(20, 4)), np.repeat([0, 1], 10)
PAIRS = np.repeat(np.arange(10), 2)


def _file(name: str, content: str) -> Path:
    Path(name).write_text(content, encoding="utf-8")
    return Path(name)


def _facts() -> models.SubjectModel:
    return models.load(str(organisms.load("facts").folder))


def _texts(content: str, name: str = "a.csv") -> data.TextSet:
    return data.read_texts(_file(name, content))


def _asked_of_a_hub(*, offline: bool) -> None:
    def unknown(*_: object) -> None:
        raise OSError("Name or service not known")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", offline)
        patch.setattr("tiltmeter.core.network.getproxies", dict)
        patch.setattr("socket.getaddrinfo", unknown)
        models.load("no/such-folder")


def _unknown_family() -> None:
    Path("m").mkdir()
    _file("m/config.json", '{"model_type": "mamba"}')
    models.load("m")


def _run_over_another() -> None:
    Path("out").mkdir()
    where = {"model": {"path": "organism:facts"}, "texts": {"cities": "organism:facts/affirmative"}}
    studies.run_study(studies.parse_spec({**SPEC, **where}), Path("out"))


def _edited_monitor() -> None:
    made_monitor(_facts()).save(Path("best"))
    card = json.loads(Path("best/monitor.json").read_text(encoding="utf-8"))
    _file("best/monitor.json", json.dumps({**card, "meaning": "something else"}))
    Monitor.load(Path("best"))


def _other_model() -> None:
    quirky = models.load(str(organisms.load("quirky").folder))
    made_monitor(_facts()).score(quirky, _texts(f"text,label\n{RARE},1\n"))


def _other_store() -> None:
    quirky = models.load(str(organisms.load("quirky").folder))
    texts = organisms.texts("facts", "affirmative").select(np.arange(2))
    for subject in (_facts(), quirky):
        activations.collect(subject, texts, sites=["1.resid_post"], pooling="last", store=Path("acts"))


def _without_ray() -> None:
    texts = organisms.texts("facts", "affirmative").select(np.arange(2))
    activations.collect_on_ray(_facts(), texts, sites=["1.resid_post"], pooling="last", store=Path("acts"))


RAISED: dict[str, Callable[[], object]] = {
    "a misspelt key": lambda: studies.parse_spec({**SPEC, "modle": {}}, source="study.yaml"),
    "no such distribution": lambda: studies.parse_spec(
        {**SPEC, "train": {"distribution": "citys"}}, source="study.yaml"
    ),
    "a parameter": lambda: studies.read_spec(_file("study.yaml", json.dumps({**SPEC, "model": {"path": "$m"}}))),
    "no spec": lambda: studies.read_spec(Path("study.yaml")),
    "a run that is there": _run_over_another,
    "no texts": lambda: _texts("sentence,label\nRome is new,1\n"),
    "a label in words": lambda: _texts("text,label\nRome is new,yes\nRome is old,no\n"),
    "half a line": lambda: _texts(
        '{"text": "Rome is new", "label": 1}\n{"text": "Rome is old", "label": 0\n', "a.jsonl"
    ),
    "an empty text": lambda: _texts("text,label\nRome is new,1\n,0\n"),
    "an id twice": lambda: _texts("text,label,id\nRome is new,1,x\nRome is old,0,x\n"),
    "a text file": lambda: _texts("Rome is new", "a.txt"),
    "no model": lambda: _asked_of_a_hub(offline=True),
    "no network": lambda: _asked_of_a_hub(offline=False),
    "an unknown family": _unknown_family,
    "no such block": lambda: activations.collect(
        _facts(), _texts(f"text,label\n{RARE},1\n"), sites=["9.resid_post"], pooling="last"
    ),
    "no such point": lambda: Site.parse("12.resid"),
    "a long text": lambda: activations.collect(
        _facts(), _texts(f"text,label\n{RARE * 10},1\n"), sites=["1.resid_post"], pooling="last"
    ),
    "one class": lambda: probes.LDA().fit(X, np.ones(20)),
    "no direction": lambda: probes.MeanDifference().fit(np.ones((20, 4)), Y),
    "labels for what takes none": lambda: probes.CCS().fit(X, Y, pairs=PAIRS),
    "few negatives": lambda: evaluation.threshold_at_fpr(
        np.arange(100.0), fpr=0.01, confidence=0.95, population="ordinary questions"
    ),
    "no monitor": lambda: Monitor.load(Path("runs/none")),
    "an edited monitor": _edited_monitor,
    "another model": _other_model,
    "no store": lambda: activations.ActivationStore.open(Path("acts")),
    "another store": _other_store,
    "no ray": _without_ray,
}


def _cut(message: str) -> str:
    """Shorten hashes, and what another library adds in brackets."""
    message = re.sub(r"[0-9a-f]{11,64}…?", "…", message)
    return re.sub(r"(the hub gave) \(.*\)\.", r"\1 (…).", message, flags=re.DOTALL)


@pytest.mark.parametrize("what", RAISED)
def test_a_message_stands_on_the_page_as_it_is_raised(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if what == "no ray":
        # None in sys.modules makes an import fail
        monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(TiltmeterError) as raised:
        RAISED[what]()
    assert _cut(str(raised.value)) in SHOWN


def test_the_page_shows_as_many_messages_as_are_raised() -> None:
    assert len(SHOWN) == len(set(SHOWN)) == len(RAISED)


def test_the_page_has_a_row_for_every_class_of_error() -> None:
    classes, todo = set(), [TiltmeterError]
    while todo:
        found = todo.pop().__subclasses__()
        classes |= {one.__name__ for one in found if one.__module__ == TiltmeterError.__module__}
        todo += found
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == classes
