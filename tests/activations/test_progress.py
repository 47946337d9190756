"""Long work shows: to a function, in a terminal, in a log."""

from __future__ import annotations

import time

import pytest
from rich.console import Console
from tiny_models import random_texts, tiny_subject

from tiltmeter.activations import Done, _progress, collect

TEXTS = random_texts(24)


def test_a_function_is_told_of_every_batch():
    told: list[Done] = []
    collect(tiny_subject("llama"), TEXTS, token_budget=60, progress=told.append)
    assert [done.texts for done in told] == sorted({done.texts for done in told})
    last = told[-1]
    assert last.texts == last.n_texts == 24
    assert last.tokens == last.n_tokens == last.fresh_tokens == sum(len(text.split()) for text in TEXTS.texts)
    assert last.seconds_left == 0
    assert last.tokens_per_second == pytest.approx(last.tokens / last.seconds)
    assert all(done.n_tokens == last.n_tokens for done in told)


def test_nothing_is_written_unless_asked_for(capsys):
    collect(tiny_subject("llama"), TEXTS)
    assert capsys.readouterr() == ("", "")


def test_a_log_gets_a_line_at_first_now_and_then_and_at_the_end(capsys, monkeypatch):
    clock = iter(range(0, 10_000, 5))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
    collect(tiny_subject("llama"), TEXTS, token_budget=30, progress=True)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert 3 < len(lines) < 13  # there are as many batches
    assert lines[0].startswith("reading texts: ") and "tokens/s" in lines[0] and lines[0].endswith(" left")
    assert "24 of 24 texts" in lines[-1] and "left" not in lines[-1]
    assert "\x1b" not in err


def test_a_terminal_gets_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(_progress, "Console", lambda **options: Console(**options, force_terminal=True, width=100))
    collect(tiny_subject("llama"), TEXTS, token_budget=60, progress=True)
    assert "24 of 24 texts" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("done", "words"),
    [
        (Done(0, 10, 0, 100, 0, 0.0), "0 of 10 texts"),
        (Done(5, 10, 50, 100, 50, 5.0), "5 of 10 texts, 10 tokens/s, 5 s left"),
        # half were stored before: they say nothing of the speed
        (Done(5, 10, 50, 100, 0, 0.0), "5 of 10 texts"),
        (Done(6, 10, 60, 100_000, 10, 1.0), "6 of 10 texts, 10 tokens/s, 2 h 46 min left"),
        (Done(6, 10, 60, 1000, 10, 1.0), "6 of 10 texts, 10 tokens/s, 1 min 34 s left"),
        (Done(1200, 1200, 5000, 5000, 5000, 1.0), "1,200 of 1,200 texts, 5,000 tokens/s"),
    ],
)
def test_what_is_done_is_put_in_words(done, words):
    assert _progress.described(done) == words
