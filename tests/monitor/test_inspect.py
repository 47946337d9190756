"""inspect_ai logs what the monitor says of each sample, with the share of alarms and its uncertainty."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.made_monitors import made_monitor
from tests.tiny_models import TEMPLATE, tiny_subject, word_tokenizer
from tiltmeter.core.errors import MissingExtraError, ModelError, SpecError
from tiltmeter.data import TextSet
from tiltmeter.monitor import inspect_scorer

needs_inspect = pytest.mark.skipif(
    importlib.util.find_spec("inspect_ai") is None,
    reason="needs inspect_ai, which the extra bench brings: pip install 'tiltmeter[bench]'",
)
SUBJECT = tiny_subject("llama", tokenizer=word_tokenizer(template=TEMPLATE))
ANSWERS = ("w1 w2 w3", "w4", "w5 w6", "w7 w8 w9 w10")


def texts_of(answers: tuple[str, ...], *, chats: bool) -> TextSet:
    ids = np.array([f"s{i}" for i in range(len(answers))])
    if not chats:
        return TextSet(ids, texts=answers)
    asked = {"role": "user", "content": "w0 w11"}
    return TextSet(ids, messages=tuple((asked, {"role": "assistant", "content": answer}) for answer in answers))


def evaluated(folder: Path, scorer: Any, *, answers: tuple[str, ...] = ANSWERS, epochs: int = 1) -> Any:
    from inspect_ai import Task, eval
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ModelOutput
    from inspect_ai.solver import solver

    # in place of generate(), for which inspect_ai fetches a tokenizer to count tokens with
    async def write(state: Any, generate: Any) -> Any:
        state.output = ModelOutput.from_content("mockllm/model", answers[int(state.sample_id[1:])])
        state.messages.append(state.output.message)
        return state

    samples = [Sample(input="w0 w11", id=f"s{i}") for i in range(len(answers))]
    task = Task(dataset=samples, solver=solver(name="write")(lambda: write)(), scorer=scorer, epochs=epochs)
    (log,) = eval(task, model="mockllm/model", log_dir=str(folder), display="none", log_level="error")
    assert log.status == "success", log.error
    return log


@needs_inspect
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("read", ["chat", "completion"])
def test_a_sample_has_the_score_of_the_monitor(tmp_path: Path, read: Any) -> None:
    bare = made_monitor(SUBJECT, span="assistant" if read == "chat" else "all", pooling="mean")
    wanted = bare.score(SUBJECT, texts_of(ANSWERS, chats=read == "chat")).scores
    # between the highest and the next: a text read alone may round otherwise than among others
    limit = float(np.sort(wanted)[-2:].mean())
    monitor = made_monitor(SUBJECT, span="assistant" if read == "chat" else "all", pooling="mean", threshold=limit)
    log = evaluated(tmp_path, inspect_scorer(monitor, SUBJECT, read=read))
    found = {sample.id: next(iter(sample.scores.values())) for sample in log.samples}
    for i, score in enumerate(wanted):
        one = found[f"s{i}"]
        assert one.value["score"] == pytest.approx(score, abs=1e-5 * wanted.std())
        assert one.value["alarm"] == (score == wanted.max()) == one.metadata["alarm"]
        assert one.metadata["unlike"] is None and one.metadata["threshold"]["fpr"] == 0.01
        assert "with 95% confidence (population: x)" in one.explanation
    by_name = {result.name: result.metrics for result in log.results.scores}
    assert by_name["score"]["mean"].value == pytest.approx(wanted.mean(), abs=1e-5)
    alarms = by_name["alarm"]
    assert alarms["mean"].value == 0.25
    # the naive twin of the standard error, and Wilson's interval for 1 of 4
    assert alarms["stderr"].value == pytest.approx(math.sqrt(0.25 * 0.75 / 3))
    bounds = sorted(metric.value for name, metric in alarms.items() if name not in ("mean", "stderr"))
    assert bounds == pytest.approx([0.0456, 0.6994], abs=1e-3)
    (kept,) = log.eval.scorers
    assert kept.name == "made" and kept.metadata["card"]["reading"]["site"] == "1.resid_post"
    assert kept.metadata["evidence"]["reason"] == "not assessed"


@needs_inspect
@pytest.mark.filterwarnings("ignore")
def test_without_a_threshold_there_is_no_alarm_and_an_empty_answer_is_not_scored(tmp_path: Path) -> None:
    scorer = inspect_scorer(made_monitor(SUBJECT), SUBJECT, read="completion")
    log = evaluated(tmp_path, scorer, answers=("w1 w2", "", "w3"), epochs=2)
    assert [result.name for result in log.results.scores] == ["score"]
    (result,) = log.results.scores
    assert result.scored_samples == 2 and result.unscored_samples == 1
    wanted = made_monitor(SUBJECT).score(SUBJECT, texts_of(("w1 w2", "w3"), chats=False)).scores
    assert result.metrics["mean"].value == pytest.approx(wanted.mean(), abs=1e-5)
    blank = [next(iter(sample.scores.values())) for sample in log.samples if sample.id == "s1"]
    assert len(blank) == 2 and all(one.reason == "no_response" for one in blank)


@needs_inspect
@pytest.mark.filterwarnings("ignore")
def test_a_chat_is_read_up_to_the_last_turn_of_the_model_with_its_calls_of_tools() -> None:
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageTool, ChatMessageUser
    from inspect_ai.tool import ToolCall

    from tiltmeter.monitor._inspect import one_chat

    call = ToolCall(id="1", function="bash", arguments={"cmd": "ls é"})
    messages = [
        ChatMessageSystem(content="Be kind."),
        ChatMessageUser(content="List."),
        ChatMessageAssistant(content="So:", tool_calls=[call, call]),
        ChatMessageTool(content="a b", tool_call_id="1"),
        ChatMessageAssistant(content="", tool_calls=[call]),
        ChatMessageUser(content="Go on."),
    ]
    texts = one_chat(messages)
    assert texts is not None and texts.messages is not None
    line = '{"name": "bash", "arguments": {"cmd": "ls é"}}'
    assert [message["role"] for message in texts.messages[0]] == ["system", "user", "assistant", "tool", "assistant"]
    assert texts.messages[0][2]["content"] == f"So:\n{line}\n{line}"
    assert texts.messages[0][4]["content"] == line
    assert one_chat(messages[:2]) is None and one_chat([]) is None


@needs_inspect
@pytest.mark.filterwarnings("ignore")
def test_another_model_is_refused_before_anything_is_evaluated() -> None:
    with pytest.raises(ModelError, match="was made for another model"):
        inspect_scorer(made_monitor(SUBJECT), tiny_subject("qwen3"))


def test_what_is_read_must_be_known_and_an_absent_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = made_monitor(SUBJECT)
    with pytest.raises(SpecError, match="read is 'all'; use one of chat, completion"):
        inspect_scorer(monitor, SUBJECT, read="all")  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "inspect_ai.scorer", None)
    monkeypatch.setitem(sys.modules, "inspect_ai", None)
    with pytest.raises(MissingExtraError, match=r"needs the extra bench .* pip install 'tiltmeter\[bench\]'"):
        inspect_scorer(monitor, SUBJECT)
