"""Monitors made up for a model at hand, with thresholds as a test asks for them."""

from __future__ import annotations

import numpy as np

from tiltmeter.core import Direction, Site
from tiltmeter.core.records import Threshold, Unavailable
from tiltmeter.models import SubjectModel
from tiltmeter.monitor import Card, Monitor, Reading


def certified(value: float) -> Threshold:
    return Threshold(value=value, fpr=0.01, confidence=0.95, n=299, n_rows=299, unit="row", allowed=0, population="x")


def made_monitor(
    subject: SubjectModel,
    site: str = "1.resid_post",
    *,
    name: str = "made",
    pooling: str = "last",
    span: object = "all",
    skip_first: int = 0,
    threshold: float | None = None,
    running: float | None = None,
    seed: int = 0,
    sign: int = -1,
) -> Monitor:
    """Make a monitor with a random direction; tiny models see small numbers, so that its scores lie near sign / 4."""
    width = subject.width(Site.parse(site))
    vector = np.random.default_rng(seed).normal(size=width)
    reading = Reading(
        site=site,
        pooling=pooling,
        span=span,
        long_texts="refuse",
        skip_first=skip_first,
        dtype="float32",
        chat_template_sha256=None,
    )
    card = Card(
        name=name,
        model=subject.name,
        revision=None,
        model_fingerprint=subject.fingerprint.model_dump(mode="json"),
        reading=reading,
        meaning="nothing",
        threshold=Unavailable(reason="not certified") if threshold is None else certified(threshold),
        running=None if running is None else certified(running),
        data={},
    )
    direction = Direction(vector / np.linalg.norm(vector), offset=0.25, site=Site.parse(site), sign=sign, method="x")
    return Monitor(direction, card)
