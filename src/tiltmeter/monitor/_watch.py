"""Monitors that look on while a model runs: every token is scored as the model reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from tiltmeter.core.alarms import Source
from tiltmeter.core.errors import SpecError
from tiltmeter.models import SubjectModel, edited
from tiltmeter.monitor._generations import looking_away, watching_generate
from tiltmeter.monitor._monitor import Monitor
from tiltmeter.monitor._onlooker import Onlooker, OnTokens, Watch
from tiltmeter.monitor._raising import Raising, Told
from tiltmeter.monitor._watch_rules import Rule, check_rules
from tiltmeter.monitor._watched_texts import TextsSoFar


@contextmanager
def watch(
    subject: SubjectModel,
    monitors: Mapping[str, Monitor] | Sequence[Monitor],
    *,
    rules: Sequence[Rule] | None = None,
    on_tokens: OnTokens | None = None,
    keep_texts: bool = False,
    source: Source = "watch",
) -> Iterator[Watch]:
    """Score every token that the model reads inside the ``with``, by several monitors in one pass.

    ``subject.model.generate`` and :func:`tiltmeter.models.generate` run as ever, and so do plain forwards. What comes
    out is what the bare model gives, bit for bit, unless a rule stops or steers. A token's score does not depend on
    batch mates, padding or kept keys and values, but for rounding. Where a monitor's card has a ``running`` threshold,
    it is raised as soon as the running score is above it; where it has none, the score at the end of a text is put to
    ``threshold``. Without either it scores and raises nothing.

    Parameters
    ----------
    subject
        The model that the monitors were made for.
    monitors
        By name; or several, named by their cards.
    rules
        When an alarm is raised and what follows. None for one rule a monitor, which holds when it is raised and does
        nothing more.
    on_tokens
        Called with the scores of every forward as soon as it has passed the deepest site: to show them while the text
        is written.
    keep_texts
        Whether alarms hold the text read so far.
    source
        What alarms give as their source.

    Yields
    ------
    What has been seen.

    Raises
    ------
    ModelError
        If a monitor was made for another model, or the model is in training mode or compiled.
    SpecError
        If there are no monitors, two have one name, a rule names none of them or stops or steers where it can hold at
        the end only, or a span cannot be known while a text grows (``marked``, ``between``); inside, if ``generate`` is
        asked for beams, an assistant, contrastive search, guidance or a static cache, or the model runs in what follows
        an alarm, or in two generations at once.

    See Also
    --------
    certify_running : Gives a monitor its running threshold.

    Notes
    -----
    A token is read when the model reads it, one step after it was chosen. The last one of a text that ended by length
    is read by a forward of its own. The token that ends a text, and what a batch generates behind it, is not.

    What follows an alarm is done for every alarm of a forward; an exception of it is raised when all of it was tried,
    and ends the generation.

    A span that means the model's own turn (``assistant``, a message) is taken for what is generated; earlier turns of
    the model in a prompt are not read.

    Examples
    --------
    >>> import numpy as np
    >>> from tiltmeter.core import Direction, Site, Unavailable
    >>> from tiltmeter.models import generate, tiny
    >>> from tiltmeter.monitor import Card, Reading
    >>> subject = tiny("Rome is old")
    >>> reading = Reading(
    ...     site="1.resid_post",
    ...     pooling="mean",
    ...     span="all",
    ...     long_texts="refuse",
    ...     dtype="float32",
    ...     chat_template_sha256=None,
    ... )
    >>> card = Card(
    ...     name="first feature",
    ...     model="tiny",
    ...     revision=None,
    ...     model_fingerprint=subject.fingerprint.model_dump(mode="json"),
    ...     reading=reading,
    ...     meaning="nothing",
    ...     threshold=Unavailable(reason="not certified"),
    ...     data={},
    ... )
    >>> monitor = Monitor(Direction(np.eye(8)[0], site=Site(1, "resid_post"), sign=1), card)
    >>> with watch(subject, [monitor]) as seen:
    ...     said = generate(subject, ["Rome"], max_new_tokens=3)
    >>> text = seen.texts[0]
    >>> text.n_prompt, text.scores["first feature"].shape
    (1, (4,))
    """
    by_name = _by_name(monitors)
    # what is replayed here is no text of a watch around this one
    with looking_away(subject):
        for monitor in by_name.values():
            monitor.check(subject)
    rules = [Rule(name, name) for name in by_name] if rules is None else rules
    early = [name for name, monitor in by_name.items() if monitor.card.running is not None]
    check_rules(rules, monitors=by_name, early=early)
    seen = Watch(tuple(by_name))
    told = Told(subject.name, source, _decoder(subject) if keep_texts else lambda texts, row: None)  # noqa: ARG005
    onlooker = Onlooker(subject, by_name, raising=Raising(by_name, rules, told=told, alarms=seen.alarms), seen=seen)
    onlooker.on_tokens = on_tokens
    with edited(subject, onlooker.edits), watching_generate(subject, onlooker):
        try:
            yield seen
        finally:
            # what was read is decided, whatever happened after it
            onlooker.finish()


def _by_name(monitors: Mapping[str, Monitor] | Sequence[Monitor]) -> dict[str, Monitor]:
    if not monitors:
        raise SpecError("There are no monitors to watch with; give one at least.")
    if isinstance(monitors, Mapping):
        return dict(monitors)
    by_name = {monitor.card.name: monitor for monitor in monitors}
    if len(by_name) < len(monitors):
        raise SpecError("Two monitors have one name; give a dictionary with a name for each.")
    return by_name


def _decoder(subject: SubjectModel) -> Callable[[TextsSoFar, int], str | None]:
    def decode(texts: TextsSoFar, row: int) -> str | None:
        tokens = texts.read_tokens()[row]
        # of embeddings nobody knows what they say
        return None if (tokens < 0).any() else str(subject.tokenizer.decode(tokens, skip_special_tokens=True))

    return decode
