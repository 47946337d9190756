"""A text that is scored as it is written is told and kept whole: cut off, stopped by a string, or made of bytes."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers import models as vocabularies
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tests.service.served import made_monitor, serving
from tiltmeter.core.errors import FileError
from tiltmeter.models import SubjectModel, bind
from tiltmeter.monitor import MonitorLog, TokenScores
from tiltmeter.service import Limits
from tiltmeter.service import _engine as engine_module
from tiltmeter.service._engine import Engine, StreamJob
from tiltmeter.service._metrics import Metrics
from tiltmeter.service._stream import Prompt, _Told

pytestmark = pytest.mark.filterwarnings("ignore::tiltmeter.core.errors.DataWarning")


def byte_model(characters: Sequence[str], *, context: int = 64) -> SubjectModel:
    """Return a random model whose tokens are bytes, as a byte-level tokenizer writes them; the last one ends a text."""
    vocabulary = {character: i for i, character in enumerate(characters)}
    words = Tokenizer(vocabularies.BPE(vocabulary, []))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    words.decoder = decoders.ByteLevel()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(characters),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=context,
    )
    config.eos_token_id = len(characters) - 1
    return bind(LlamaForCausalLM(config).eval(), PreTrainedTokenizerFast(tokenizer_object=words), name="bytes")


class Client:
    """Takes lines of a stream, and leaves after some of them."""

    def __init__(self, *, leaves_after: int | None = None) -> None:
        self.lines: list[Any] = []
        self.left = threading.Event()
        self._leaves_after = leaves_after

    def __call__(self, line: Any) -> None:
        self.lines.append(line)
        if len(self.lines) == self._leaves_after:
            self.left.set()


def streamed(engine: Engine, client: Client, *, n: int = 10) -> None:
    prompt = Prompt("w1 w2", "the text", n, 0.0, 0)
    engine.submit(StreamJob(prompt, client, until=1e12, is_left=client.left))
    engine.start()
    engine.close()


def engine_of(subject: SubjectModel, log: MonitorLog, **thresholds: Any) -> Engine:
    monitors = {"m": made_monitor(subject, **thresholds)}
    return Engine(subject, monitors, log=log, limits=Limits(), metrics=Metrics())


@pytest.mark.parametrize("at", ["token", "end"])
def test_a_client_that_leaves_finds_its_alarms_and_the_text_it_saw_in_the_log(
    subject: SubjectModel, tmp_path: Path, at: str
) -> None:
    limits = {"running": -100.0} if at == "token" else {"threshold": -100.0}
    # an alarm, the prompt and a token; or the prompt and two tokens
    client = Client(leaves_after=3)
    with MonitorLog(tmp_path / "log.sqlite", keep_texts=True) as log:
        streamed(engine_of(subject, log, **limits), client)
        (text,), (kept,) = log.scores(), log.alarms()
    seen = [line["id"] for line in client.lines if line["kind"] == "token"]
    # nothing was written for nobody
    assert len(seen) == (1 if at == "token" else 2) and client.lines[-1]["kind"] in ("token", "alarm")
    assert text.text is not None and text.text.split() == ["w1", "w2", *subject.tokenizer.convert_ids_to_tokens(seen)]
    assert text.text_id == kept.alarm.text_id == "the text"
    assert text.scores["m"].alarm is True and kept.alarm.raised[0].at == at


def test_a_stream_that_breaks_leaves_its_scores(
    subject: SubjectModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client()
    told = client.__call__

    def breaks(line: Any) -> None:
        told(line)
        if len(client.lines) == 4:
            raise ZeroDivisionError

    with MonitorLog(tmp_path / "log.sqlite") as log:
        engine = engine_of(subject, log, running=-100.0)
        prompt = Prompt("w1 w2", "the text", 10, 0.0, 0)
        with pytest.raises(ZeroDivisionError):
            engine_module.stream(subject, engine.monitors, prompt, log=log, tell=breaks)
        assert [(text.text_id, text.scores["m"].alarm) for text in log.scores()] == [("the text", True)]
        assert len(log.alarms()) == 1


def test_a_log_that_cannot_be_written_fails_waiting_requests_at_once(
    subject: SubjectModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def locked(self: MonitorLog, **_: Any) -> int:
        tries.append(1)
        raise FileError("locked for half a minute")

    with MonitorLog(tmp_path / "log.sqlite") as log:
        monkeypatch.setattr(MonitorLog, "write", locked)
        engine = engine_of(subject, log)
        jobs = [engine_module.ScoreJob((f"w{i}",), ("a",), False, False) for i in range(8)]
        for job in jobs:
            engine.submit(job)
        engine.start()
        engine.close()
    assert all(isinstance(job.answer.exception(timeout=0), FileError) for job in jobs)
    assert len(tries) == 1


def told_by_bytes(subject: SubjectModel, prompt: bytes, written: bytes) -> list[str]:
    """Return the texts of the lines that tell some bytes, and what is left at the end."""
    lines: list[dict[str, Any]] = []
    told = _Told(subject, {}, log=MonitorLog.__new__(MonitorLog), tell=lines.append)
    for tokens in (prompt, *(bytes([one]) for one in written)):
        ids = torch.tensor([subject.tokenizer.convert_tokens_to_ids([_CODES[byte] for byte in tokens])])
        nothing = torch.zeros(1, ids.shape[1], 0)
        told.tokens(TokenScores(ids, torch.ones(ids.shape, dtype=torch.bool), nothing, nothing, 0))
    return [*(line["text"] for line in lines if line["kind"] == "token"), told.rest()]


def _byte_codes() -> dict[int, str]:
    """Return the character by which byte-level tokenizers write each byte: itself, or one from 256 on."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {byte: chr(byte) for byte in shown} | {byte: chr(256 + i) for i, byte in enumerate(hidden)}


_CODES = _byte_codes()


def test_characters_of_several_tokens_are_told_when_they_are_whole() -> None:
    subject = byte_model([_CODES[byte] for byte in range(256)])
    assert told_by_bytes(subject, b"a", "é😀!".encode()) == ["", "é", "", "", "", "😀", "!", ""]
    # cut off in a character: what there is of it comes with the end
    assert told_by_bytes(subject, b"a", "x😀".encode()[:3]) == ["x", "", "", "\ufffd"]
    # bytes that are no text at all are told before long
    assert "".join(told_by_bytes(subject, b"a", b"\x80" * 30)) == "\ufffd" * 30
    assert any(told_by_bytes(subject, b"a", b"\x80" * 30)[:-1])


def test_the_first_word_written_keeps_its_distance_from_the_prompt(subject: SubjectModel, tmp_path: Path) -> None:
    with serving(subject, {"m": made_monitor(subject)}, tmp_path / "log.sqlite") as client:
        lines = [
            json.loads(line)
            for line in client.post("/v1/generate", json={"prompt": "w1", "max_new_tokens": 2}).text.splitlines()
        ]
    assert lines[1]["kind"] == "token" and lines[1]["text"].startswith(" w")


def test_each_token_is_written_in_a_time_that_does_not_grow(
    subject: SubjectModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_decoded = 0
    whole = type(subject.tokenizer).decode

    def counted(self: Any, tokens: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal n_decoded
        n_decoded += sum(len(row) if isinstance(row, list) else 1 for row in tokens)
        return whole(self, tokens, *args, **kwargs)

    monkeypatch.setattr(type(subject.tokenizer), "decode", counted)
    monkeypatch.setattr(type(subject.tokenizer), "batch_decode", counted)
    told = _Told(subject, {}, log=MonitorLog.__new__(MonitorLog), tell=lambda line: None)
    for token in torch.randint(10, 40, (501, 1, 1)):
        nothing = torch.zeros(1, 1, 0)
        told.tokens(TokenScores(token, torch.ones(1, 1, dtype=torch.bool), nothing, nothing, 0))
    assert 500 <= n_decoded < 5 * 500


def test_a_string_that_ends_the_models_texts_ends_a_stream(tmp_path: Path) -> None:
    subject = byte_model("abcdefghijklmnopqrstuvwxyz.")
    body = {"prompt": "sometext", "max_new_tokens": 8, "temperature": 3, "seed": 3}
    with serving(subject, {"m": made_monitor(subject)}, tmp_path / "log.sqlite") as client:

        def written() -> tuple[str, dict[str, Any]]:
            answer = client.post("/v1/generate", json=body)
            assert answer.status_code == 200, answer.text
            lines = [json.loads(line) for line in answer.text.splitlines()]
            return "".join(line["text"] for line in lines if line["kind"] == "token"), lines[-1]

        free, end = written()
        assert len(free) == 8 and end["reason"] == "length"
        subject.model.generation_config.stop_strings = [free[4:6]]
        cut, end = written()
        assert cut == free[: free.index(free[4:6]) + 2] and end["reason"] == "end"


def test_a_prompt_that_ends_in_the_token_which_ends_texts_is_gone_on_from(
    subject: SubjectModel, tmp_path: Path
) -> None:
    with serving(subject, {"m": made_monitor(subject)}, tmp_path / "log.sqlite") as client:
        answer = client.post("/v1/generate", json={"prompt": "w1 </s>", "max_new_tokens": 3, "temperature": 2})
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines[0]["strings"] == ["w1", " </s>"] and any(line["kind"] == "token" for line in lines)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"prompt": "w1", "temperature": 1e-300}, "temperature is 1e-300; it must be 0"),
        ({"prompt": [{"role": "user", "content": "refused"}]}, "the model's chat template refuses the chat"),
        ({"prompt": [{"role": "user", "content": "nothing"}]}, "the model's chat template writes nothing"),
    ],
)
def test_what_cannot_be_gone_on_from_is_refused_in_a_sentence(
    subject: SubjectModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: dict[str, Any], said: str
) -> None:
    template = (
        "{% if messages[0].content == 'refused' %}{{ raise_exception('no') }}{% endif %}"
        "{% if messages[0].content != 'nothing' %}{{ messages[0].content }}{% endif %}"
    )
    monkeypatch.setattr(subject.tokenizer, "chat_template", template)
    with serving(subject, {"m": made_monitor(subject)}, tmp_path / "log.sqlite") as client:
        answer = client.post("/v1/generate", json={"max_new_tokens": 2, **body})
    assert answer.status_code == 422 and said in answer.json()["detail"]
    assert subject.name not in answer.text


def test_the_name_of_the_model_is_not_cut_out_of_what_is_said(
    subject: SubjectModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "name", "a", raising=False)
    with serving(subject, {"m": made_monitor(subject)}, tmp_path / "log.sqlite") as client:
        answer = client.post("/v1/score", json={"texts": ["w1 " * 40], "ids": ["banana"]})
    assert "Text banana has 40 tokens" in answer.json()["detail"]
