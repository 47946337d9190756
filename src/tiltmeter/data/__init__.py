"""Labelled and paired texts: read, written, grouped and split. Pairs and groups stay whole, and leaks are found."""

from typing import TYPE_CHECKING

from tiltmeter.core.on_demand import names_on_demand

if TYPE_CHECKING:
    from tiltmeter.data._attempts import (
        AttemptDifficulty,
        AttemptFormat,
        AttemptKind,
        AttemptLanguage,
        AttemptsSpec,
        write_attempts,
    )
    from tiltmeter.data._attempts_labels import label_attempts
    from tiltmeter.data._guess import Column, Guess, guess_columns
    from tiltmeter.data._label_words import LabelWords, WordCounts, label_words
    from tiltmeter.data._leakage import find_leakage
    from tiltmeter.data._near_copies import join_near_copies
    from tiltmeter.data._read import read_texts
    from tiltmeter.data._shared_words import SharedWordGroups, group_by_shared_words
    from tiltmeter.data._spans import Between, NthMessage, Span
    from tiltmeter.data._split import Fold, group_folds, independent_units, split_by_group
    from tiltmeter.data._textset import Chat, Message, Scalar, TextSet, plain_texts, require_two_classes
    from tiltmeter.data._where import select_where
    from tiltmeter.data._write import write_texts
else:
    __getattr__, __dir__ = names_on_demand(__name__)

__all__ = [
    "AttemptDifficulty",
    "AttemptFormat",
    "AttemptKind",
    "AttemptLanguage",
    "AttemptsSpec",
    "Between",
    "Chat",
    "Column",
    "Fold",
    "Guess",
    "LabelWords",
    "Message",
    "NthMessage",
    "Scalar",
    "SharedWordGroups",
    "Span",
    "TextSet",
    "WordCounts",
    "find_leakage",
    "group_by_shared_words",
    "group_folds",
    "guess_columns",
    "independent_units",
    "join_near_copies",
    "label_attempts",
    "label_words",
    "plain_texts",
    "read_texts",
    "require_two_classes",
    "select_where",
    "split_by_group",
    "write_attempts",
    "write_texts",
]
