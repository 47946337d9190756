"""A monitor as a scorer of inspect_ai, and what of an inspect_ai chat a monitor reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from tiltmeter.core.errors import MissingExtraError, SpecError
from tiltmeter.core.records import Threshold
from tiltmeter.data import Message, TextSet
from tiltmeter.models import SubjectModel
from tiltmeter.monitor._monitor import Monitor, Scores

if TYPE_CHECKING:
    from inspect_ai.model import ChatMessage
    from inspect_ai.scorer import Score, Scorer, Target
    from inspect_ai.solver import TaskState

ReadFrom = Literal["chat", "completion"]


def inspect_scorer(monitor: Monitor, subject: SubjectModel, *, read: ReadFrom = "chat") -> Scorer:
    """Make a scorer of inspect_ai that scores each sample as :meth:`Monitor.score` scores the same text.

    The value of a sample is a mapping: ``score`` and, where the monitor has a threshold, ``alarm``, 1 or 0. So that
    inspect_ai reduces epochs and reports each on its own: the mean score with its standard error, and the share of
    alarms with its standard error and a Wilson interval, which unlike the standard error is not 0 where no sample or
    every one raised an alarm.

    Parameters
    ----------
    monitor
        Any.
    subject
        The model that the monitor was made for. It reads what the evaluated model wrote, whichever that is.
    read
        ``"chat"``: the messages up to the last turn of the model, as the subject's template writes them; calls of tools
        follow the text of their turn, one JSON object a line. ``"completion"``: what the model wrote last, as a plain
        text. Images, audio and reasoning that stands apart from the text are not read.

    Returns
    -------
    inspect_ai.scorer.Scorer
        To be given to a ``Task``, or to ``inspect_ai.score`` for a log. The metadata of a score hold the threshold, the
        alarm and whether the text is unlike those that the threshold was certified on; those of the scorer, which stand
        in the log once, the card and the evidence. A sample in which the model wrote nothing is left unscored.

    Raises
    ------
    MissingExtraError
        If inspect_ai is not installed.
    SpecError
        If ``read`` is none of the two.
    ModelError
        As :meth:`Monitor.check`.

    Examples
    --------
    >>> task = Task(dataset, scorer=inspect_scorer(monitor, subject))  # doctest: +SKIP
    """
    if read not in get_args(ReadFrom):
        raise SpecError(f"read is {read!r}; use one of {', '.join(get_args(ReadFrom))}.")
    try:
        from inspect_ai.scorer import Score, ci_wilson, mean, scorer, stderr
    except ImportError as error:
        raise MissingExtraError(
            f"A scorer of inspect_ai needs the extra bench ({error.name} is missing); run pip install "
            "'tiltmeter[bench]'."
        ) from None
    monitor.check(subject)
    card = monitor.card
    has_threshold = isinstance(card.threshold, Threshold)

    async def score(state: TaskState, target: Target) -> Score:  # noqa: ARG001 (inspect_ai calls it with both)
        texts = one_chat(state.messages) if read == "chat" else one_text(state.output.completion)
        if texts is None:
            return Score.unscored(
                reason="no_response", explanation="The model wrote nothing that a monitor could read."
            )
        # here and not in a thread: two readings of one model at a time would see each other's hooks
        found = monitor.score(subject, texts)
        value = {"score": float(found.scores[0])}
        if found.alarms is not None:
            value["alarm"] = float(found.alarms[0])
        return Score(value=value, explanation=explain(monitor, found), metadata=_metadata(monitor, found))

    def monitored() -> Scorer:
        return score

    metrics = {"score": [mean(), stderr()]}
    if has_threshold:
        metrics["alarm"] = [mean(), stderr(), ci_wilson()]
    return scorer(
        metrics=metrics,
        name=card.name,
        card=card.model_dump(mode="json"),
        evidence=monitor.direction.evidence.model_dump(mode="json"),
    )(monitored)()


def one_chat(messages: Sequence[ChatMessage]) -> TextSet | None:
    """Return the chat up to the last turn of the model as a set of one; None if the model has written nothing."""
    last = max((i for i, message in enumerate(messages) if message.role == "assistant"), default=None)
    if last is None:
        return None
    chat = tuple(Message(role=message.role, content=_content(message)) for message in messages[: last + 1])
    return TextSet(np.array(["sample"]), messages=(chat,)) if chat[-1]["content"].strip() else None


def one_text(text: str) -> TextSet | None:
    """Return a text as a set of one; None if there is nothing in it."""
    return TextSet(np.array(["sample"]), texts=(text,)) if text.strip() else None


def explain(monitor: Monitor, found: Scores) -> str:
    """Say in a sentence or two what a monitor found of one text, and what that is worth."""
    score, threshold = f"The score of {monitor.card.name} is {found.scores[0]:.4g}", monitor.card.threshold
    if not isinstance(threshold, Threshold):
        return f"{score}; there is no threshold ({threshold.reason})."
    side = "above" if found.alarms is not None and found.alarms[0] else "not above"
    promise = (
        "on average over calibration sets"
        if threshold.confidence is None
        else f"with {threshold.confidence:.0%} confidence"
    )
    sentence = (
        f"{score}, {side} the threshold {threshold.value:.4g}, above which at most {threshold.fpr:.2%} of fresh texts "
        f"without the concept lie, {promise} (population: {threshold.population})."
    )
    if found.unlike is not None and found.unlike[0]:
        sentence += " The text is unlike those of that population, so that the rate is not promised for it."
    return sentence


def _content(message: ChatMessage) -> str:
    calls = getattr(message, "tool_calls", None) or []
    lines = [json.dumps({"name": call.function, "arguments": call.arguments}, ensure_ascii=False) for call in calls]
    return "\n".join([message.text, *lines] if message.text else lines)


def _metadata(monitor: Monitor, found: Scores) -> dict[str, Any]:
    return {
        "threshold": monitor.card.threshold.model_dump(mode="json"),
        "alarm": None if found.alarms is None else bool(found.alarms[0]),
        "unlike": None if found.unlike is None else bool(found.unlike[0]),
    }
