"""Texts of several requests, read together by all monitors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from tiltmeter.activations import collect
from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Threshold
from tiltmeter.data import Chat, TextSet
from tiltmeter.models import Encoded, SubjectModel, encode
from tiltmeter.monitor import Monitor

Text = str | Chat
# in units of the last digit: what the batch may change of an activation; 3.5 were seen in float32, and 0.6 of a score
_ROUNDING = 16


class Found(NamedTuple):
    """What one monitor gave one text; ``tokens`` are those that went into the model for it."""

    score: float
    alarm: bool | None
    unlike: bool | None
    tokens: NDArray[np.int32]


class ReadAlike(NamedTuple):
    """Monitors that read the same tokens of the same texts, and those."""

    monitors: dict[str, Monitor]
    rows: list[int]
    encoded: Encoded


def check_monitors(subject: SubjectModel, monitors: Mapping[str, Monitor]) -> None:
    """Refuse monitors that are not of the model, or read what a request cannot tell.

    Raises
    ------
    SpecError
        If there are none, or one reads marked characters.
    ModelError
        If one was made for another model.
    """
    if not monitors:
        raise SpecError("There are no monitors to serve; name at least one.")
    for name, monitor in monitors.items():
        if monitor.card.reading.span == "marked":
            raise SpecError(f"The monitor {name} reads marked characters, and a request marks none; it is not served.")
        monitor.check(subject)


def read_alike(
    subject: SubjectModel, monitors: Mapping[str, Monitor], texts: Sequence[Text], *, ids: Sequence[str]
) -> Iterator[ReadAlike]:
    """Yield the texts encoded as each group of monitors reads them, plain texts and chats apart."""
    groups: dict[str, dict[str, Monitor]] = {}
    for name, monitor in monitors.items():
        reading = monitor.card.reading
        groups.setdefault(f"{reading.span} {reading.long_texts} {reading.skip_first}", {})[name] = monitor
    for is_plain in (True, False):
        rows = [i for i, text in enumerate(texts) if isinstance(text, str) == is_plain]
        if not rows:
            continue
        plain = tuple(text for text in texts if isinstance(text, str)) if is_plain else None
        chats = None if is_plain else tuple(text for text in texts if not isinstance(text, str))
        names = np.array([ids[i] for i in rows])
        for group in groups.values():
            reading = next(iter(group.values())).card.reading
            rows_of = TextSet(names, texts=plain, messages=chats, span=reading.span, distribution="the request")
            encoded = encode(subject, rows_of, long_texts=reading.long_texts, skip_first=reading.skip_first)
            yield ReadAlike(group, rows, encoded)


def strings_of(subject: SubjectModel, tokens: Sequence[int] | NDArray[np.int32] | torch.Tensor) -> list[str]:
    """Return what each token adds to the text before it, with the spaces that stand between them."""
    ids = [int(token) for token in tokens]
    # by pairs: how a token is written may depend on the one before, and on none further back
    pairs = [[ids[i - 1], ids[i]] if i else [ids[i]] for i in range(len(ids))]
    whole = subject.tokenizer.batch_decode(pairs)
    first = subject.tokenizer.batch_decode([[token] for token in ids])
    return [text[len(first[i - 1]) :] if i else text for i, text in enumerate(whole)]


def score_texts(
    subject: SubjectModel, monitors: Mapping[str, Monitor], texts: Sequence[Text], *, ids: Sequence[str]
) -> list[dict[str, Found]]:
    """Score each text by each monitor; to rounding, a score does not depend on the other texts.

    Nor does an alarm: a text whose score is within rounding of the threshold, as is that of the text which set it, is
    read again by itself.

    Raises
    ------
    TiltmeterError
        If one of the texts cannot be read, as where it is too long; the message names it by its identifier.
    """
    found: list[dict[str, Found]] = [{} for _ in texts]
    for group, rows, encoded in read_alike(subject, monitors, texts, ids=ids):
        for pooling in dict.fromkeys(monitor.card.reading.pooling for monitor in group.values()):
            own = {name: monitor for name, monitor in group.items() if monitor.card.reading.pooling == pooling}
            sites = list(dict.fromkeys(monitor.card.reading.site for monitor in own.values()))
            acts = collect(subject, encoded, sites=sites, pooling=pooling)
            for name, monitor in own.items():
                read, threshold = acts[monitor.card.reading.site], monitor.card.threshold
                if isinstance(threshold, Threshold) and len(encoded) > 1:
                    X = _alone_where_close(subject, encoded, read.X, monitor=monitor, threshold=threshold)
                    read = replace(read, X=X)
                scores, alarms, unlike = monitor.score_activations(read)
                for place, row in enumerate(rows):
                    found[row][name] = Found(
                        float(scores[place]),
                        None if alarms is None else bool(alarms[place]),
                        None if unlike is None else bool(unlike[place]),
                        encoded.row(place)[0],
                    )
    return [{name: by_name[name] for name in monitors} for by_name in found]


def _alone_where_close(
    subject: SubjectModel, encoded: Encoded, X: NDArray[Any], *, monitor: Monitor, threshold: Threshold
) -> NDArray[Any]:
    """Return the activations, those of texts close to the threshold read anew without the others."""
    # what sums of another order may change, in units of the activations
    rounding = _ROUNDING * torch.finfo(subject.model.dtype).eps * np.linalg.norm(X, axis=1)
    close = np.flatnonzero(np.abs(monitor.direction.score(X) - threshold.value) <= rounding)
    if not len(close):
        return X
    reading, X = monitor.card.reading, X.copy()
    for place in close:
        own = encoded.select(np.array([place]))
        X[place] = collect(subject, own, sites=[reading.site], pooling=reading.pooling)[reading.site].X[0]
    return X
