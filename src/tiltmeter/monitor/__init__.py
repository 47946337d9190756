"""Scores texts with a direction at the site and threshold that it was tested with, at rest or while a model runs.

A monitor is a folder, with a card to be published by.
"""

from typing import TYPE_CHECKING

from tiltmeter.core.on_demand import names_on_demand

if TYPE_CHECKING:
    from tiltmeter.monitor._alarm_maker import Alarmed, AlarmMaker
    from tiltmeter.monitor._card import Card, Reading
    from tiltmeter.monitor._cascade import Budget, Cascade, Reviewer, review_most_suspicious, reviewer_of
    from tiltmeter.monitor._control_arena import ControlMonitor, MakeResponse, control_monitor
    from tiltmeter.monitor._hub import fetch, publish
    from tiltmeter.monitor._inspect import ReadFrom, inspect_scorer
    from tiltmeter.monitor._log import LoggedAlarm, MonitorLog
    from tiltmeter.monitor._make_reference import make_reference, write_reference
    from tiltmeter.monitor._monitor import Monitor, Scores
    from tiltmeter.monitor._onlooker import Watch
    from tiltmeter.monitor._probe_card import read_card, write_card
    from tiltmeter.monitor._reference import Reference
    from tiltmeter.monitor._replay_log import can_replay, replay, replay_totals
    from tiltmeter.monitor._running import RunningScores, certify_running, running_scores
    from tiltmeter.monitor._summary import summarise
    from tiltmeter.monitor._watch import watch
    from tiltmeter.monitor._watch_rules import (
        Action,
        AtLeast,
        Condition,
        Not,
        Rule,
        SteerOn,
        Stop,
        all_of,
        any_of,
        holds,
    )
    from tiltmeter.monitor._watched_texts import TokenScores, WatchedText
else:
    __getattr__, __dir__ = names_on_demand(__name__)

__all__ = [
    "Action",
    "AlarmMaker",
    "Alarmed",
    "AtLeast",
    "Budget",
    "Card",
    "Cascade",
    "Condition",
    "ControlMonitor",
    "LoggedAlarm",
    "MakeResponse",
    "Monitor",
    "MonitorLog",
    "Not",
    "ReadFrom",
    "Reading",
    "Reference",
    "Reviewer",
    "Rule",
    "RunningScores",
    "Scores",
    "SteerOn",
    "Stop",
    "TokenScores",
    "Watch",
    "WatchedText",
    "all_of",
    "any_of",
    "can_replay",
    "certify_running",
    "control_monitor",
    "fetch",
    "holds",
    "inspect_scorer",
    "make_reference",
    "publish",
    "read_card",
    "replay",
    "replay_totals",
    "review_most_suspicious",
    "reviewer_of",
    "running_scores",
    "summarise",
    "watch",
    "write_card",
    "write_reference",
]
