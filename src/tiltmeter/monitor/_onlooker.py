"""Follows forwards and generations: which texts they are of, and what is read of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from tiltmeter.core.alarms import Alarm
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.site import Site
from tiltmeter.data import NthMessage
from tiltmeter.models import Edit, Places, SubjectModel, special_ids
from tiltmeter.monitor._generations import Beginning
from tiltmeter.monitor._monitor import Monitor
from tiltmeter.monitor._raising import Raising
from tiltmeter.monitor._token_reader import RunningPool, TokenReader
from tiltmeter.monitor._watch_rules import Stop
from tiltmeter.monitor._watched_texts import TextsSoFar, TokenScores, WatchedText

OnTokens = Callable[[TokenScores], object]


class Watch:
    """What a :func:`watch` has seen; made by it.

    Attributes
    ----------
    names
        The monitors.
    texts
        Every text that has ended, in order; those of one generation side by side.
    alarms
        Every alarm, in order.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.texts: list[WatchedText] = []
        self.alarms: list[Alarm] = []
        self._next_ids: tuple[str, ...] | None = None

    def call_next(self, ids: Sequence[str]) -> None:
        """Name the texts that come next, one a row; texts that are not named are numbered."""
        self._next_ids = tuple(ids)

    def take_ids(self, n: int) -> tuple[str, ...]:
        """Return the names of ``n`` new texts; SpecError if another number of them was named."""
        ids, self._next_ids = self._next_ids, None
        if ids is None:
            return tuple(f"text-{len(self.texts) + row}" for row in range(n))
        if len(ids) != n:
            raise SpecError(f"{len(ids)} texts were named and the model is given {n}; name one a row.")
        return ids


class Onlooker:
    """Follows forwards and generations, and hands on what they read."""

    def __init__(
        self, subject: SubjectModel, monitors: Mapping[str, Monitor], *, raising: Raising, seen: Watch
    ) -> None:
        self.subject, self.raising, self.seen = subject, raising, seen
        self.on_tokens: OnTokens | None = None
        self.is_away = False
        own = list(monitors.values())
        by_site: dict[Site, list[int]] = {}
        for column, monitor in enumerate(own):
            (site,) = subject.resolve_sites([monitor.card.reading.site])
            by_site.setdefault(site, []).append(column)
        # in the order in which a forward passes them
        points = tuple(subject.family.points)
        passed = sorted(by_site, key=lambda site: (site.layer, points.index(site.point), site.head or 0))
        self._readers = [
            TokenReader(
                site,
                [own[column] for column in by_site[site]],
                columns=by_site[site],
                opened=self._opened,
                report=self._report,
            )
            for site in passed
        ]
        self._pool = RunningPool(own, by_site=[by_site[site] for site in passed])
        self._spans = [(_is_turn(monitor), monitor.card.reading.skip_first) for monitor in monitors.values()]
        vocabulary = int(subject.model.get_input_embeddings().num_embeddings)
        self._is_none = torch.zeros(vocabulary, dtype=torch.bool)
        self._is_special = self._marked(special_ids(subject.tokenizer))
        self._beginning: Beginning | None = None
        self._texts: TextsSoFar | None = None
        self._places: Places | None = None
        self._is_text = self._is_read = self._is_none
        self._found: list[Tensor] = []

    @property
    def can_stop(self) -> bool:
        """Whether a rule may end a text."""
        return any(isinstance(action, Stop) for rule in self.raising.rules for action in rule.then)

    @property
    def edits(self) -> list[Edit]:
        """What is to be applied: readers first, so that what they read at a site is what steering comes to."""
        switches = [switch for own in self.raising.switches.values() for switch in own]
        return [*self._readers, *switches]

    def begin(self, beginning: Beginning) -> None:
        """Expect the first forward of a generation; SpecError if another one is under way."""
        self._refuse_while_acting()
        if self._beginning is not None:
            raise SpecError("A watched model was asked to generate while it generates; let one end before the next.")
        self.finish()
        self._beginning = beginning

    def stopped(self) -> Tensor | None:
        """Return which texts a rule ends."""
        return self.raising.stopped

    def close(self, rows: Tensor) -> None:
        """End texts with the token just chosen."""
        if self._texts is not None:
            self._texts.close(rows)

    def unread(self, tokens: Tensor) -> Tensor | None:
        """Return the mask of all tokens if the generation left one unread that belongs to a text."""
        texts = self._texts
        if texts is None or texts.n_read >= tokens.shape[1]:
            return None
        last = tokens[:, -1]
        if bool((texts.has_ended.to(last.device) | texts.is_end.to(last.device)[last]).all()):
            return None
        mask = torch.ones_like(tokens) if texts.mask is None else texts.mask
        grown = torch.ones(len(tokens), tokens.shape[1] - mask.shape[1], dtype=mask.dtype, device=mask.device)
        return torch.cat([mask, grown], dim=1)

    def leave(self) -> None:
        """Close the texts of a generation."""
        self.finish()
        self._beginning = None

    def finish(self) -> None:
        """Decide what is decided at the end of the texts at hand, and keep them."""
        texts, self._texts = self._texts, None
        if texts is None or not texts.steps:
            return
        found = texts.texts(self.seen.names, raised_at=self.raising.raised_at)
        # first, because an action may raise an exception
        self.seen.texts.extend(found)
        try:
            self.raising.end(texts, [text.final for text in found])
        finally:
            # nothing is steered of what runs between the texts
            self.raising.begin(0)

    def _refuse_while_acting(self) -> None:
        if self.raising.is_acting:
            raise SpecError(
                "What follows an alarm ran the model that is being watched, in the middle of its forward; have another "
                "one review, or review when the watch has ended."
            )

    def _marked(self, identifiers: Sequence[int]) -> Tensor:
        marked = self._is_none.clone()
        marked[[i for i in identifiers if i < len(marked)]] = True
        return marked

    def _open(self, places: Places) -> None:
        """Another forward has begun."""
        self._refuse_while_acting()
        b = places.shape[0]
        if self._beginning is not None and self._texts is not None and not self._texts.goes_on(places):
            raise SpecError(
                "A watched model ran another text in the middle of a generation, as a logits processor may have it do; "
                "run that on another copy of the model, or when the generation has ended."
            )
        self._places, self._found = places, []
        if self._texts is None or (self._beginning is None and (places.past == 0 or b != len(self._texts.ids))):
            self.finish()
            beginning = self._beginning
            self._texts = TextsSoFar(
                self.seen.take_ids(b),
                n_prompt=None if beginning is None else beginning.n_prompt,
                is_end=self._marked([] if beginning is None else sorted(beginning.ends)),
            )
            self.raising.begin(b)
        if places.past == 0 or not self._texts.steps:
            self._pool.begin()
            for reader in self._readers:
                reader.begin()
        self._is_text = self._texts.is_text(places)
        self._is_read = self._which_read(self._texts, places)

    def _which_read(self, texts: TextsSoFar, places: Places) -> Tensor:
        """Return which tokens each monitor reads, shape (b, t, k)."""
        content = self._is_text
        if places.tokens is not None:
            if self._is_special.device != places.tokens.device:
                self._is_special = self._is_special.to(places.tokens.device)
            content = content.to(places.tokens.device) & ~self._is_special[places.tokens]
        by_span: dict[tuple[bool, int], Tensor] = {}
        for is_turn, skip in self._spans:
            if (is_turn, skip) not in by_span:
                read = content
                if is_turn and places.past < (texts.n_prompt or 0):
                    read = read & texts.is_generated(places).to(read.device)
                if skip:
                    read = read & (places.positions.to(read.device) >= skip)
                by_span[is_turn, skip] = read
        if len(by_span) == 1:
            return read[..., None].expand(*read.shape, len(self._spans))
        return torch.stack([by_span[span] for span in self._spans], dim=-1)

    def _opened(self, places: Places) -> Tensor | None:
        if self.is_away:
            return None
        if places is not self._places:
            self._open(places)
        return self._is_read

    def _report(self, products: Tensor) -> None:
        """Hand on what was found as soon as the last site has been passed."""
        self._found.append(products)
        if len(self._found) < len(self._readers) or self._texts is None or self._places is None:
            return
        device = products.device
        if len(self._found) > 1:
            products = torch.cat([one.to(device) for one in self._found], dim=-1)
        is_read = self._is_read.to(device)
        scores, running = self._pool(products, is_read)
        tokens = self._places.tokens
        # whoever decodes by hand may write the next tokens into the same place
        tokens = None if tokens is None else tokens.clone()
        step = TokenScores(tokens, self._is_text.to(device), scores, running, self._places.past)
        self._texts.add(step)
        self.raising.look(self._texts, step)
        if self.on_tokens is not None:
            self.on_tokens(step)
        # last, because every alarm of this forward is to be told; no number is above a threshold, nor below it
        if not bool((scores.isfinite() | ~is_read).all()):
            raise ArrayError(
                f"{self.subject.name} shows NaN or infinity where a monitor reads, of which there is no score; load it "
                "in bfloat16 or float32, or steer it less."
            )


def _is_turn(monitor: Monitor) -> bool:
    """Whether the monitor reads the model's own turn; SpecError if that cannot be known while a text grows."""
    span = monitor.card.reading.span
    if span == "all":
        return False
    if span == "assistant" or (isinstance(span, NthMessage) and span.index == -1):
        return True
    raise SpecError(
        f"The monitor {monitor.card.name} reads the span {span!r}, which is not known while a text grows; watch with "
        "monitors of all tokens, or of the assistant's turn, and score whole texts with this one."
    )
