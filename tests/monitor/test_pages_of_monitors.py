"""The code of the pages on monitors runs: on small models, and where a package cannot be here on a stand-in for it."""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from made_monitors import made_monitor
from safetensors.torch import save_file
from tiny_models import TEMPLATE, random_texts, tiny_config, word_tokenizer
from transformers import AutoModelForCausalLM

from tiltmeter import interventions, models, organisms
from tiltmeter.data import TextSet
from tiltmeter.models import SubjectModel
from tiltmeter.monitor import Monitor, make_reference

DOCS = Path(__file__).parents[2] / "docs" / "how-to"
SITE = "17.resid_post"


def _run(page: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run the blocks of a page one after the other, as somebody would who reads it."""
    for code in re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(code, page, "exec"), names)
    return names


@pytest.fixture
def subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SubjectModel:
    """Stand a small model in for the one that the pages load, with a monitor in the folder that they name."""
    config = tiny_config("llama")
    config.num_hidden_layers = 19
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "model")
    word_tokenizer(template=TEMPLATE).save_pretrained(tmp_path / "model")
    load = models.load
    small = load(tmp_path / "model")
    monitor, texts = made_monitor(small, SITE, threshold=0.0), random_texts(40, longest=12)
    monitor = replace(monitor, reference=make_reference(monitor, small, texts=texts, drawn_from="made up"))
    monitor.save(tmp_path / "runs/facts/monitors/best")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(models, "load", lambda name, **settings: load(tmp_path / "model", **settings))
    return small


def test_the_page_on_watching_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = models.load(organisms.load("coup").folder)
    made_monitor(subject).save(tmp_path / "runs/coup/monitors/best")
    quiet = "".join('{"text": "close the vault .", "label": 0}\n' for _ in range(299))
    (tmp_path / "support_chats.jsonl").write_text(quiet, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    honest = interventions.Steer(np.ones(subject.d_model), strength=1.0, site="1.resid_post")
    given = {
        "theft": made_monitor(subject, running=0.0),
        "joke": made_monitor(subject),
        "honest": honest,
        "log": [],
        "reviewer": lambda text: 1.0,
    }
    names = _run("watching.md", given)
    assert names["watching"].card.running.n == 299
    assert Monitor.load(tmp_path / "monitors/lies").card.running is not None
    assert [rule.name for rule in names["rules"]] == ["theft", "lies, and no joke", "either"]


def test_the_code_of_the_page_on_parity_runs(subject: SubjectModel) -> None:
    page = (DOCS / "parity.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    # the one line that is left to whoever has another engine
    assert "rows = ..." in code
    names: dict[str, Any] = {}
    exec(compile(code.replace("rows = ...", "rows = monitor.reference.rows"), "parity.md", "exec"), names)
    assert names["found"].outcome == "exact"
    assert len(names["tokens"]) == sum(len(text.split()) for text in names["texts"].texts)


@dataclass
class _LLM:
    """In vLLM's place: writes what a small model shows after a block, in files as vLLM's connector does."""

    subject: SubjectModel
    folder: Path

    def __call__(self, *, model: str, speculative_config: Any, kv_transfer_config: Any, **_: Any) -> _LLM:
        (self.layer,) = speculative_config["draft_model_config"]["hf_config"]["eagle_aux_hidden_state_layer_ids"]
        self.folder /= kv_transfer_config["kv_connector_extra_config"]["shared_storage_path"]
        self.folder.mkdir()
        return self

    def generate(self, prompts: list[dict[str, list[int]]], params: Any) -> list[Any]:
        outputs = []
        for i, prompt in enumerate(prompts):
            tokens = torch.tensor(prompt["prompt_token_ids"])
            # vLLM's layer i is what goes into block i
            (states,) = self.subject.read(tokens[None], sites=[f"{self.layer - 1}.resid_post"]).values()
            path = self.folder / f"{i}.safetensors"
            save_file({"hidden_states": states[0][:, None].contiguous(), "token_ids": tokens}, path)
            outputs.append(SimpleNamespace(kv_transfer_params={"hidden_states_path": str(path)}))
        return outputs


def test_the_page_on_vllm_runs_with_a_stand_in_for_vllm(
    subject: SubjectModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, parts = "vllm", "distributed.kv_transfer.kv_connector.v1".split(".")
    stand_in = ModuleType(place)
    stand_in.LLM, stand_in.SamplingParams = _LLM(subject, tmp_path), SimpleNamespace  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, place, stand_in)
    for part in parts:
        place = f"{place}.{part}"
        monkeypatch.setitem(sys.modules, place, ModuleType(place))
    connector = SimpleNamespace(load_hidden_states=lambda path: None)
    sys.modules[place].example_hidden_states_connector = connector  # type: ignore[attr-defined]
    names = _run("vllm.md", {})
    assert names["found"].outcome in ("exact", "within tolerance")
    wanted = names["monitor"].score(subject, names["monitor"].reference.texts).scores
    np.testing.assert_allclose(names["scores"], wanted, atol=1e-4)


def _blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_code_for_control_arena_runs_with_a_stand_in_for_it(
    subject: SubjectModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = ModuleType("control_arena.monitor")
    stand_in.MonitorResponse, stand_in.monitor = SimpleNamespace, lambda judge: judge  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "control_arena", ModuleType("control_arena"))
    monkeypatch.setitem(sys.modules, "control_arena.monitor", stand_in)
    names: dict[str, Any] = {"lies": Monitor.load(Path("runs/facts/monitors/best")), "subject": subject}
    exec(compile(_blocks("ecosystem.md")[1], "ecosystem.md", "exec"), names)
    state = SimpleNamespace(messages=[SimpleNamespace(role="assistant", text="w1 w2", tool_calls=None)])
    # a coroutine, which waits for nothing
    with pytest.raises(StopIteration) as ended:
        names["agent"](state, []).send(None)
    chat = TextSet(np.array(["x"]), messages=(({"role": "assistant", "content": "w1 w2"},),))
    assert ended.value.value.suspicion_score == pytest.approx(float(names["lies"].score(subject, chat).scores[0]))


@pytest.mark.skipif(
    importlib.util.find_spec("inspect_ai") is None,
    reason="needs inspect_ai, which the extra bench brings: pip install 'tiltmeter[bench]'",
)
@pytest.mark.filterwarnings("ignore")
def test_the_code_for_inspect_ai_runs_with_an_answer_that_is_given(
    subject: SubjectModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    import inspect_ai
    from inspect_ai.dataset import Sample

    task = inspect_ai.Task
    logs: list[Any] = []

    async def write(state: Any, generate: Any) -> Any:
        from inspect_ai.model import ModelOutput

        state.output = ModelOutput.from_content("mockllm/model", "w1 w2")
        state.messages.append(state.output.message)
        return state

    whole = inspect_ai.eval
    solved = inspect_ai.solver.solver(name="write")(lambda: write)
    monkeypatch.setattr(inspect_ai, "Task", lambda dataset, scorer: task(dataset, solver=solved(), scorer=scorer))
    monkeypatch.setattr(
        inspect_ai, "eval", lambda asked, model: logs.extend(whole(asked, model="mockllm/model", display="none"))
    )
    exec(compile(_blocks("ecosystem.md")[0], "ecosystem.md", "exec"), {"dataset": [Sample(input="w0")]})
    assert [log.status for log in logs] == ["success"]
