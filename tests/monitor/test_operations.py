"""Days of a log, changes that are there and changes that are not, and the past scored again."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from made_monitors import made_monitor
from scipy import stats
from tiny_models import TEMPLATE, tiny_subject, word_tokenizer
from typer.testing import CliRunner

from tiltmeter.cli._app import app
from tiltmeter.core.alarms import Scored, ScoredText
from tiltmeter.core.errors import DataError, ModelError, SpecError
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.data import Message, TextSet
from tiltmeter.monitor import MonitorLog, can_replay, replay, replay_totals, summarise

_subject = functools.cache(tiny_subject)
_START = datetime(2026, 5, 1, tzinfo=UTC)


def _stream(scores: np.ndarray, *, limit: float, per_day: int = 500, name: str = "lies") -> list[ScoredText]:
    return [
        ScoredText(
            time=_START + timedelta(seconds=i * 86400 / per_day),
            text_id=str(i),
            scores={name: Scored(score=float(score), alarm=bool(score > limit), unlike=bool(i % 10 == 0))},
            text=f"w{i % 40}",
            source="score",
        )
        for i, score in enumerate(scores)
    ]


def test_days_are_counted_as_a_loop_counts_them():
    scores = np.random.default_rng(0).normal(size=1200)
    texts = _stream(scores, limit=2.0)
    monitor = made_monitor(_subject("llama"), threshold=2.0)
    found = summarise(texts, monitors={"lies": monitor}).days
    assert [day.n for day in found] == [500, 500, 200]
    for i, day in enumerate(found):
        own = scores[500 * i : 500 * (i + 1)]
        assert day.n_alarms == sum(score > 2.0 for score in own)
        assert day.n_unlike == sum(j % 10 == 0 for j in range(500 * i, 500 * i + len(own)))
        assert day.promised == 0.01
        assert day.rate.value == day.n_alarms / len(own)
        exact = stats.binomtest(day.n_alarms, len(own)).proportion_ci(method="exact")
        assert (day.rate.low, day.rate.high) == pytest.approx((exact.low, exact.high))
        assert day.quantiles["1"] == own.max()


def test_a_stream_without_a_change_is_not_said_to_have_changed():
    scores = np.random.default_rng(1).normal(size=3000)
    limit = float(np.quantile(np.random.default_rng(2).normal(size=100_000), 0.992))
    monitor = made_monitor(_subject("llama"), threshold=limit)
    found = summarise(
        _stream(scores, limit=limit), monitors={"lies": monitor}, reference_until=_START + timedelta(days=2)
    )
    assert [change.what for change in found.changes] == ["alarms", "scores"]
    assert [change.at for change in found.changes] == [None, None]
    assert {change.alpha for change in found.changes} == {0.005}


@pytest.mark.parametrize("what", ["alarms", "scores"])
def test_a_change_is_found_soon_after_it_came(what):
    rng = np.random.default_rng(3)
    scores = np.concatenate([rng.normal(size=2000), rng.normal(1.5 if what == "scores" else 0, 1, size=1000)])
    if what == "alarms":
        scores[2000::10] = 5.0
    monitor = made_monitor(_subject("llama"), threshold=3.0)
    texts = _stream(scores, limit=3.0)
    found = {
        change.what: change
        for change in summarise(texts, monitors={"lies": monitor}, reference_until=_START + timedelta(days=2)).changes
    }[what]
    came = 2000 - found.n_reference
    assert found.at is not None
    assert came < found.at < came + 400
    assert found.since == texts[found.n_reference + found.at - 1].time


def test_without_monitors_or_a_reference_nothing_is_tested():
    found = summarise(_stream(np.zeros(10), limit=1.0))
    assert found.changes == ()
    assert found.days[0].promised is None
    assert found.days[0].n_alarms == 0


def test_texts_without_a_threshold_are_undecided_and_have_no_rate():
    text = ScoredText(time=_START, text_id="a", scores={"m": Scored(score=1.0, alarm=None)}, text=None, source="score")
    (day,) = summarise([text]).days
    assert (day.n, day.n_alarms, day.n_undecided) == (1, 0, 1)
    assert isinstance(day.rate, Unavailable)


@pytest.mark.parametrize(
    ("given", "message"), [({"alpha": 0.0}, "alpha"), ({"reference_until": datetime(2026, 5, 1)}, "time zone")]
)
def test_what_cannot_be_summed_up_is_refused(given, message):
    with pytest.raises(SpecError, match=message):
        summarise([], **given)


def test_a_reference_of_no_scores_is_refused_and_a_monitor_that_came_later_takes_no_part_of_alpha():
    old, new = _stream(np.arange(20.0), limit=9.0), _stream(np.arange(20.0), limit=9.0, name="new")
    with pytest.raises(SpecError, match="no scores before 2026-05-01"):
        summarise(old, reference_until=_START)
    later = [text.model_copy(update={"time": text.time + timedelta(days=3)}) for text in (*old, *new)]
    found = summarise([*old, *later], reference_until=_START + timedelta(days=1))
    assert [(change.monitor, change.alpha) for change in found.changes] == [("lies", 0.01)]


def _logged(scores: np.ndarray, texts: TextSet, *, limit: float) -> list[ScoredText]:
    return [
        ScoredText(
            time=_START,
            text_id=str(id_),
            scores={"old": Scored(score=float(score), alarm=bool(score > limit))},
            text=text,
            source="score",
        )
        for id_, score, text in zip(texts.ids, scores, texts.texts or (), strict=True)
    ]


def test_the_past_is_scored_as_the_new_monitor_scores_the_texts():
    subject = tiny_subject("llama", tokenizer=word_tokenizer(template=TEMPLATE))
    words = np.random.default_rng(4).choice([f"w{i}" for i in range(40)], size=(30, 4))
    texts = TextSet(np.arange(30).astype(str), texts=tuple(" ".join(row) for row in words))
    old, new = made_monitor(subject), made_monitor(subject, seed=1, threshold=0.1, name="new")
    then = old.score(subject, texts).scores
    log = [
        *_logged(then, texts, limit=0.2),
        ScoredText(time=_START, text_id="gone", scores={"old": Scored(score=0, alarm=None)}, text=None, source="score"),
        ScoredText(time=_START, text_id="own", scores={}, text="w1", source="generate"),
        ScoredText(
            time=_START,
            text_id="chat",
            scores={"old": Scored(score=0.0, alarm=False)},
            text="<turn> user w1 <end>",
            source="score",
            messages=({"role": "user", "content": "w1 w2"},),
        ),
    ]
    found = list(replay(log, new, subject=subject))
    now = new.score(subject, texts)
    np.testing.assert_allclose([text.score for text in found[:30]], now.scores, atol=1e-6)
    chat = TextSet(np.array(["c"]), messages=((Message(role="user", content="w1 w2"),),))
    assert found[30].score == pytest.approx(float(new.score(subject, chat).scores[0]), abs=1e-6)
    totals = replay_totals(found[:30], monitor="new", beside="old", n_left=2)
    assert now.alarms is not None
    assert (totals.both, totals.only_then, totals.only_now, totals.neither) == (
        sum((then > 0.2) & now.alarms),
        sum((then > 0.2) & ~now.alarms),
        sum(~(then > 0.2) & now.alarms),
        sum(~(then > 0.2) & ~now.alarms),
    )
    assert isinstance(totals.rank_correlation, Estimate)
    assert totals.rank_correlation.value == pytest.approx(stats.spearmanr(then, now.scores).statistic)
    assert sum(not can_replay(text) for text in log) == 2


def _mixed(n: int) -> list[ScoredText]:
    """Make texts and chats in turn, of which two are too long, one is empty and one is a chat of no turns."""
    mixed = []
    for i, text in enumerate(_stream(np.arange(float(n)), limit=n / 2)):
        said = "w1 " * 40 if i in (3, 4) else " " if i == 6 else f"w{i % 40} w{i // 40}"
        chat = None if i % 2 else () if i == 8 else ({"role": "user", "content": said},)
        mixed.append(text.model_copy(update={"text": said, "messages": chat}))
    return mixed


def test_a_text_that_cannot_be_read_is_left_out_by_name_and_the_others_keep_their_order():
    subject = tiny_subject("llama", tokenizer=word_tokenizer(template=TEMPLATE))
    log, monitor = _mixed(300), made_monitor(subject, threshold=0.0)
    found = list(replay(log, monitor, subject=subject))
    assert [text.text_id for text in found] == [text.text_id for text in log]
    left_out = {text.text_id: text.unreadable for text in found if text.score is None}
    assert list(left_out) == ["3", "4", "6", "8"]
    # by its own name, whatever its place among the others
    assert left_out["3"].startswith("Text 3 has 40 tokens, 32 are allowed")
    assert "row 6" in left_out["6"] and "row 8" in left_out["8"]
    one = TextSet(np.array(["x"]), texts=(log[299].text,))
    assert found[299].score == pytest.approx(float(monitor.score(subject, one).scores[0]), abs=1e-5)
    totals = replay_totals(found, monitor="new", beside="lies", n_left=0)
    assert (totals.n, totals.unreadable) == (296, ("3", "4", "6", "8"))
    assert totals.both + totals.only_then + totals.only_now + totals.neither == 296


def test_texts_without_an_alarm_then_or_now_are_in_no_count():
    subject = _subject("llama")
    log = _stream(np.arange(6.0), limit=3.0)
    log[0] = log[0].model_copy(update={"scores": {"lies": Scored(score=0.0, alarm=None)}})
    for threshold, counted in ((0.0, 5), (None, 0)):
        found = list(replay(log, made_monitor(subject, threshold=threshold), subject=subject))
        totals = replay_totals(found, monitor="new", beside="lies", n_left=0)
        assert (totals.n, totals.n_undecided) == (6, 6 - counted)
        assert totals.both + totals.only_then + totals.only_now + totals.neither == counted


def test_a_replay_in_which_nothing_can_be_read_says_why_and_another_model_is_refused():
    subject = _subject("llama")
    chats = [text.model_copy(update={"messages": ({"role": "user", "content": "w1"},)}) for text in _mixed(5)]
    found = list(replay(chats, made_monitor(subject), subject=subject))
    with pytest.raises(DataError, match=r"None of the 5 texts can be read by new; .* no chat template"):
        replay_totals(found, monitor="new", beside="lies", n_left=0)
    with pytest.raises(ModelError, match="another model"):
        list(replay(chats, made_monitor(_subject("qwen2")), subject=subject))


def test_scores_that_are_all_equal_have_no_rank_correlation():
    subject = _subject("llama")
    log = [text.model_copy(update={"text": "w1"}) for text in _stream(np.arange(6.0), limit=3.0)]
    found = list(replay(log, made_monitor(subject), subject=subject))
    totals = replay_totals(found, monitor="n", beside="lies", n_left=0)
    assert isinstance(totals.rank_correlation, Unavailable)


def test_a_monitor_that_the_log_does_not_hold_is_refused():
    with pytest.raises(SpecError, match="has a score of 'x'"):
        replay_totals([], monitor="new", beside="x", n_left=0)


def test_the_command_sums_up_a_log_and_exits_1_where_something_changed(tmp_path: Path):
    scores = np.concatenate([np.random.default_rng(5).normal(size=600), np.full(400, 9.0)])
    with MonitorLog(tmp_path / "log.sqlite", keep_texts=True) as log:
        log.write(texts=_stream(scores, limit=3.0))
    monitor = made_monitor(_subject("llama"), threshold=3.0, name="lies")
    monitor.save(tmp_path / "lies")
    asked = ["monitor", "summary", str(tmp_path / "log.sqlite")]
    said = CliRunner().invoke(app, [*asked, str(tmp_path / "lies"), "--json"])
    assert said.exit_code == 1, said.output
    found = json.loads(said.stdout)
    assert found["changes"][0]["what"] == "alarms"
    assert 600 < found["changes"][0]["at"] < 620
    quiet = CliRunner().invoke(app, asked)
    assert quiet.exit_code == 0
    assert "No test for a change" in quiet.stdout


def test_days_and_names_are_whole_at_80_columns(tmp_path: Path):
    with MonitorLog(tmp_path / "log.sqlite") as log:
        log.write(texts=_stream(np.arange(600.0) % 10, limit=8.5, name="a probe of [deceit] at 12.resid_post"))
    said = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["monitor", "summary", str(tmp_path / "log.sqlite")])
    assert said.exit_code == 0, said.output
    assert "2026-05-01" in said.stdout and "2026-05-02" in said.stdout and "…" not in said.stdout
    assert "[deceit]" in said.output


def test_texts_that_the_model_wrote_are_held_against_the_running_threshold():
    texts = [text.model_copy(update={"source": "generate"}) for text in _stream(np.arange(600.0) % 10, limit=8.5)]
    monitor = made_monitor(_subject("llama"), threshold=0.0, running=8.5)
    ten = monitor.card.running.model_copy(update={"fpr": 0.1})
    monitor = replace(monitor, card=monitor.card.model_copy(update={"running": ten}))
    found = summarise(texts, monitors={"lies": monitor})
    assert {day.promised for day in found.days} == {0.1}
    assert [change.at for change in found.changes] == [None]


def test_a_monitor_that_was_not_served_under_that_name_is_refused():
    with pytest.raises(SpecError, match="no scores of deceit; it has those of lies"):
        summarise(_stream(np.zeros(3), limit=1.0), monitors={"deceit": made_monitor(_subject("llama"))})
