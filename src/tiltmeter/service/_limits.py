"""What the service takes at most, of bytes and of time."""

from __future__ import annotations

from tiltmeter.core.records import Record

MOST_TEXTS = 64
"""Texts of one request."""
MOST_CHARACTERS = 100_000
"""Characters of one text, or of one message."""
MOST_MESSAGES = 256
"""Messages of one chat."""
MOST_NEW_TOKENS = 1024
"""Tokens that one request may generate."""
MOST_ALARMS = 1000
"""Alarms of one answer."""


class Limits(Record):
    """What the service takes at most.

    ``body_bytes`` and ``depth`` are of a request's JSON; ``waiting`` requests stand in the queue, and the next one is
    told to come back (429); ``batch_texts`` are read at once. A client may take ``head_s`` seconds to send the head of
    a request, ``body_s`` for its body, and ``write_s`` without taking any of an answer. What has not begun to be
    computed after ``answer_s`` seconds is given up. Beyond ``connections``, a new connection is closed.
    """

    body_bytes: int = 1 << 20
    depth: int = 16
    waiting: int = 128
    batch_texts: int = 64
    connections: int = 512
    head_s: float = 10.0
    body_s: float = 10.0
    write_s: float = 20.0
    answer_s: float = 60.0
