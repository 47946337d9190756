"""Running scores of whole texts, and the threshold for the highest of them."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.activations import collect
from tiltmeter.core.activations import Activations, Pooling
from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import SpecError
from tiltmeter.data import TextSet
from tiltmeter.evaluation import threshold_at_fpr
from tiltmeter.models import SubjectModel
from tiltmeter.monitor._monitor import Monitor


class RunningScores(NamedTuple):
    """Scores of the tokens that are read of a text, shape (t,): of each alone, and of the text up to it."""

    tokens: NDArray[np.float64]
    running: NDArray[np.float64]


def running_scores(direction: Direction, tokens: Activations, *, pooling: Pooling) -> tuple[RunningScores, ...]:
    """Score each text after each of its tokens, as if it ended there.

    Parameters
    ----------
    direction
        With a sign.
    tokens
        Activations of tokens, with offsets.
    pooling
        How the score of a text was pooled where the direction was fitted.

    Raises
    ------
    SpecError
        If the activations are not those of tokens.

    Examples
    --------
    >>> tokens = Activations(np.array([[1.0], [4.0], [1.0]]), ids=np.array(["a"]), offsets=np.array([0, 3]))
    >>> (found,) = running_scores(Direction(np.ones(1), sign=1), tokens, pooling="mean")
    >>> found.tokens.tolist(), found.running.tolist()
    ([1.0, 4.0, 1.0], [1.0, 2.5, 2.0])
    """
    if tokens.offsets is None:
        raise SpecError("Running scores need activations of tokens; collect them with pooling='all'.")
    found = []
    for start, end in zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True):
        rows = tokens.X[start:end]
        own = np.asarray(direction.score(rows), dtype=np.float64)
        match pooling:
            case "last":
                running = own
            case "first":
                running = np.full_like(own, own[0])
            case "mean":
                # a score is linear: the mean of scores is the score of the mean
                running = own.cumsum() / np.arange(1, len(own) + 1)
            case "max":
                running = np.asarray(direction.score(np.maximum.accumulate(rows, axis=0)), dtype=np.float64)
        found.append(RunningScores(own, running))
    return tuple(found)


def certify_running(
    monitor: Monitor,
    subject: SubjectModel,
    *,
    texts: TextSet,
    population: str,
    fpr: float = 0.01,
    confidence: float = 0.95,
) -> Monitor:
    """Give a monitor the threshold that holds where it is looked at after every token.

    The threshold is for the highest running score of a text. With probability at least ``confidence`` over the draw of
    these texts, at most a share ``fpr`` of fresh texts of the same population and lengths ever rise above it.

    Parameters
    ----------
    monitor
        Any; its own threshold for whole texts stays as it is.
    subject
        The model that it was made for.
    texts
        Texts without the concept that neither fitted nor chose the monitor: what the deployed model writes when nothing
        is wrong. Texts of one group count as one.
    population
        What they are, for the record.
    fpr, confidence
        As in :func:`tiltmeter.evaluation.threshold_at_fpr`.

    Returns
    -------
    The same monitor with ``card.running``.

    Raises
    ------
    ModelError
        If the model is not the monitor's.
    TooFewNegativesError
        If there are too few texts for the promise; the message says how many it takes.
    DataError
        If a text is too long, or has nothing to read.

    See Also
    --------
    watch : Where it is used.

    Notes
    -----
    Texts that the model writes in service may be longer than these: the longer a text, the higher its highest score.

    Examples
    --------
    >>> certify_running(monitor, subject, texts=quiet, population="support chats of May")  # doctest: +SKIP
    """
    monitor.check(subject)
    reading = monitor.card.reading
    if texts.y is not None and (np.asarray(texts.y) == 1).any():
        texts = texts.select(np.asarray(texts.y) == 0)
    acts = collect(subject, monitor.encode(subject, texts), sites=[reading.site], pooling="all")[reading.site]
    highest = np.array([one.running.max() for one in running_scores(monitor.direction, acts, pooling=reading.pooling)])
    running = threshold_at_fpr(
        highest, fpr=fpr, confidence=confidence, groups=texts.groups, population=f"{population}; highest running score"
    )
    return replace(monitor, card=monitor.card.model_copy(update={"running": running}))
