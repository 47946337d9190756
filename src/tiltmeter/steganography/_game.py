"""The game: every attacker against every defender on the same items, resumed attacker by attacker."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from tiltmeter.core.errors import DataError, FileError, SpecError
from tiltmeter.core.files import read_record, sha256, write_json
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.core.stego import AttackerRole, Channel, DefenderRole, Game, Hiding, Round, Told
from tiltmeter.data import TextSet, write_texts
from tiltmeter.evaluation import share
from tiltmeter.report import write_stego
from tiltmeter.steganography._capacity import KILOBYTE, capacity, luck, per_kilobyte
from tiltmeter.steganography._cast import Cast
from tiltmeter.steganography._quality import judged, mean_quality
from tiltmeter.steganography._roles import Attacker, Defender, Item, Quality, Withheld

RECORD, TEXTS = "stego.json", "texts.jsonl"
_FILES = (RECORD, TEXTS, "rounds", "stego.html")
_LEVEL = 0.95
_NO_CHANGE = Unavailable(reason="nothing was rewritten")
_BLANK = Withheld("the attacker wrote nothing")
Announce = Callable[[str], None]
T = TypeVar("T")


class Terms(NamedTuple):
    """What a game is played for: its name, the seed of messages and draws, and how many draws."""

    source: str = "texts"
    seed: int = 0
    n_draws: int = 1000


class _Sent(NamedTuple):
    """An attacker's texts before anybody rewrote them; of each the quality, NaN where nothing was written."""

    messages: Int[NDArray[np.int64], " n"]
    texts: tuple[str, ...]
    quality: NDArray[np.float64]


def play(
    items: Sequence[Item],
    cast: Cast,
    *,
    folder: Path | None = None,
    terms: Terms | None = None,
    announce: Announce | None = None,
) -> Game:
    """Play every attacker against every defender on the same items, with the same messages.

    One random message an item and attacker. The defender "none" is the text as it was written. What a defender gives
    back empty, or as it was, is withheld: no original passes.

    Parameters
    ----------
    items
        Questions with plain answers, ids unique.
    cast
        Who plays; see :func:`make_cast`.
    folder
        Where each attacker's round is kept as it is finished, then ``stego.json``, the page ``stego.html``, and
        ``texts.jsonl``: the plain texts (label 0) and the encoded ones (label 1) of each attacker, for a detector. One
        of an earlier game is gone on with: a round with the same items, cast and terms is not played again. None to
        keep nothing.
    terms
        Name, seed, draws; None for the usual ones.
    announce
        Told what is being played; None for silence.

    Returns
    -------
    The record of the game.

    Raises
    ------
    DataError
        If there are no items, or their ids repeat; or if an attacker or defender gives back more or fewer texts than
        it was given, or reads no message of one.
    SpecError
        If two who play have one name.
    FileError
        If the folder holds something else.

    Examples
    --------
    >>> from tiltmeter.steganography import Attacker, Cast, Defender, Quality, word_problems
    >>> letter = Attacker(
    ...     "letter", 1, lambda items, m: tuple("ab"[i] for i in m),
    ...     lambda items, texts: np.array(["ab".index(t) for t in texts]), "",
    ... )
    >>> shout = Defender("silence", "", rewrite=lambda items, texts: texts)
    >>> even = Quality("none", lambda items, texts: np.ones(len(texts)))
    >>> game = play(word_problems(20), Cast((letter,), (shout,), even, ()))
    >>> [(one.defender, one.flip_rate.kind, one.withheld.value) for one in game.channels]
    [('none', 'estimate', 0.0), ('silence', 'unavailable', 1.0)]
    """
    terms, announce = terms or Terms(), announce or _silent
    if not items or len({item.id for item in items}) < len(items):
        raise DataError(f"A game needs items with ids of their own; {len(items)} came, of which ids repeat or none is.")
    _check_names(cast)
    if folder is not None:
        _check_folder(folder)
    mark = _fingerprint(items, cast, terms)
    rounds = []
    for number, attacker in enumerate(cast.attackers, start=1):
        step = f"{number} of {len(cast.attackers)}, {attacker.name}"
        path = None if folder is None else folder / "rounds" / f"{attacker.name.replace(' ', '-')}.json"
        own = sha256(f"{mark} {attacker.name} {attacker.about}".encode())
        if path is not None and path.is_file() and (kept := read_record(path, Round)).fingerprint == own:
            announce(f"{step}: is there already")
            rounds.append(kept)
            continue
        found = _round(items, attacker, cast, terms=terms, announce=partial(_told, announce, step))
        rounds.append(found.model_copy(update={"fingerprint": own}))
        if path is not None:
            write_json(path, rounds[-1].model_dump(mode="json"))
    game = Game(
        fingerprint=mark,
        source=terms.source,
        models=cast.models,
        quality=cast.quality.name,
        n_items=len(items),
        level=_LEVEL,
        n_draws=terms.n_draws,
        seed=terms.seed,
        attackers=tuple(one.attacker for one in rounds),
        defenders=tuple(
            DefenderRole(name=one.name, about=one.about, stands_in=one.stands_in) for one in cast.defenders
        ),
        channels=tuple(channel for one in rounds for channel in one.channels),
        examples=tuple(one.example for one in rounds),
    )
    if folder is not None:
        write_json(folder / RECORD, game.model_dump(mode="json"))
        write_stego(folder)
        _write_texts(folder, items, rounds)
    return game


def _silent(step: str) -> None:
    pass


def _told(announce: Announce, step: str, what: str) -> None:
    announce(f"{step}: {what}")


def _check_names(cast: Cast) -> None:
    names = ("none", *(one.name for one in cast.attackers), *(one.name for one in cast.defenders))
    if twice := [name for name, n in Counter(names).items() if n > 1]:
        raise SpecError(f"Two who play are called {twice[0]!r}, or one as the text that nobody rewrote; rename it.")


def _check_folder(folder: Path) -> None:
    # a write that was killed leaves .NAME.SUFFIX behind, and does not bar the folder from going on
    def is_ours(name: str) -> bool:
        return name in _FILES or any(name.startswith(f".{one}.") for one in _FILES)

    if folder.exists() and (not folder.is_dir() or not all(is_ours(path.name) for path in folder.iterdir())):
        raise FileError(f"{folder} holds something else than a steganography game; name another folder.")


def _fingerprint(items: Sequence[Item], cast: Cast, terms: Terms) -> str:
    who = [(one.name, one.about) for one in cast.defenders]
    return sha256(json.dumps([[list(item) for item in items], who, cast.quality.name, cast.models, terms]).encode())


def _round(items: Sequence[Item], attacker: Attacker, cast: Cast, *, terms: Terms, announce: Announce) -> Round:
    messages = stream(terms.seed, "messages", attacker.name).integers(2**attacker.n_bits, size=len(items))
    announce("encoding")
    plain = tuple(item.answer for item in items)
    if attacker.plain is not None:
        plain = _each(attacker.plain(items), items, attacker.name)
    texts = _each(attacker.encode(items, messages), items, attacker.name)
    sent = _Sent(messages, texts, judged(items, texts, cast.quality))
    channels, received, rewritten = [], {}, {}
    for defender in (None, *cast.defenders):
        name = "none" if defender is None else defender.name
        announce(f"against {name}")
        through = _through(items, attacker, sent, defender)
        channel, read = _channel(items, attacker, sent, through, quality=cast.quality, terms=terms)
        # a text that nobody rewrote is compared with itself
        own = {"defender": name} if defender is not None else {"defender": name, "quality_change": _NO_CHANGE}
        channels.append(channel.model_copy(update=own))
        rewritten[name] = through[0] if isinstance(through[0], str) else ""
        received[name] = read
    return Round(
        fingerprint="",
        attacker=AttackerRole(
            name=attacker.name,
            n_bits=attacker.n_bits,
            about=attacker.about,
            stands_in=attacker.stands_in,
            plain_quality=_mean(judged(items, plain, cast.quality), terms),
        ),
        channels=tuple(channels),
        example=Told(
            attacker=attacker.name,
            question=items[0].question,
            plain=plain[0],
            sent=int(messages[0]),
            encoded=texts[0],
            rewritten={name: text for name, text in rewritten.items() if name != "none"},
            received=received,
        ),
        texts=tuple(
            Hiding(id=item.id, plain=bare, encoded=hidden)
            for item, bare, hidden in zip(items, plain, texts, strict=True)
        ),
    )


def _through(
    items: Sequence[Item], attacker: Attacker, sent: _Sent, defender: Defender | None
) -> tuple[str | Withheld, ...]:
    """Return what gets through of each text; a defender is shown only texts in which something stands."""
    found: list[str | Withheld] = [text if text.strip() else _BLANK for text in sent.texts]
    if defender is None:
        return tuple(found)
    if defender.ask is not None:
        questions = _each(defender.ask(items), items, defender.name)
        asked = [_checked(one, item.question, "the question") for item, one in zip(items, questions, strict=True)]
        found = list(asked)
        at = [i for i, one in enumerate(asked) if isinstance(one, str)]
        new = [items[i]._replace(question=str(asked[i])) for i in at]
        answers = _each(attacker.encode(new, sent.messages[at]), new, attacker.name) if new else ()
        for i, text in zip(at, answers, strict=True):
            found[i] = text if text.strip() else _BLANK
    if defender.rewrite is not None:
        at = [i for i, one in enumerate(found) if isinstance(one, str)]
        before = [str(found[i]) for i in at]
        rewritten = _each(defender.rewrite([items[i] for i in at], before), at, defender.name) if at else ()
        for i, old, new_text in zip(at, before, rewritten, strict=True):
            found[i] = _checked(new_text, old, "the text")
    return tuple(found)


def _each(given: tuple[T, ...], asked: Sequence[object], name: str) -> tuple[T, ...]:
    """Return what somebody gave, once there is one for each that was asked for."""
    if len(given) != len(asked):
        raise DataError(
            f"{name} gave {len(given)} texts for {len(asked)}; each needs one, or the reason of its absence."
        )
    return given


def _checked(rewritten: str | Withheld, original: str, what: str) -> str | Withheld:
    if isinstance(rewritten, Withheld):
        return rewritten
    if not rewritten.strip():
        return Withheld(f"{what} came back empty")
    return Withheld(f"{what} came back as it was") if rewritten.strip() == original.strip() else rewritten


def _channel(
    items: Sequence[Item],
    attacker: Attacker,
    sent: _Sent,
    through: Sequence[str | Withheld],
    *,
    quality: Quality,
    terms: Terms,
) -> tuple[Channel, int | None]:
    """Measure one cell, and return what was read of the first text."""
    at = np.array([i for i, one in enumerate(through) if isinstance(one, str)], dtype=np.int64)
    texts = [str(through[i]) for i in at]
    seen = [items[i] for i in at]
    received = np.full(len(items), -1, dtype=np.int64)
    n_bytes = np.zeros(len(items))
    if seen:
        read = attacker.decode(seen, texts)
        if read.shape != at.shape or (read < 0).any():
            raise DataError(
                f"{attacker.name} reads no message of some of {len(seen)} texts; it must guess one for each."
            )
        received[at] = read
        n_bytes[at] = [len(text.encode()) for text in texts]
    n_bits = attacker.n_bits
    found = capacity(sent.messages, received, n_bits=n_bits, level=_LEVEL, n_draws=terms.n_draws, seed=terms.seed)
    after = judged(seen, texts, quality)
    chance = luck(sent.messages, received, n_bits=n_bits, n_draws=min(200, terms.n_draws), seed=terms.seed)
    is_known = isinstance(found.by_information, Estimate)
    channel = Channel(
        attacker=attacker.name,
        defender="",
        n=len(items),
        withheld=share(np.array([isinstance(one, Withheld) for one in through])),
        reasons=dict(Counter(one.reason for one in through if isinstance(one, Withheld))),
        flip_rate=found.flip_rate,
        bits_by_flips=found.by_flips,
        bits_by_information=found.by_information,
        block=found.block,
        by_flips=per_kilobyte(found.by_flips, n_bytes),
        by_information=per_kilobyte(found.by_information, n_bytes),
        by_luck_in_flips=chance.by_flips * KILOBYTE / float(n_bytes.mean()) if seen else None,
        by_luck=chance.by_information * KILOBYTE / float(n_bytes.mean()) if is_known else None,
        kilobytes=float(n_bytes[at].mean()) / KILOBYTE if seen else None,
        quality=_mean(after, terms),
        quality_change=_mean(after - sent.quality[at], terms, least=-1.0),
    )
    return channel, int(received[0]) if received[0] >= 0 else None


def _mean(values: NDArray[np.float64], terms: Terms, *, least: float = 0.0) -> Measured:
    return mean_quality(values, least=least, level=_LEVEL, n_draws=terms.n_draws, seed=terms.seed)


def _write_texts(folder: Path, items: Sequence[Item], rounds: Sequence[Round]) -> None:
    # items with one question share a group, so that no split has it on both sides
    first = {item.question: item.id for item in reversed(items)}
    group = {item.id: first[item.question] for item in items}
    rows = [
        (f"{one.attacker.name}, {text.id}, {('plain', 'encoded')[label]}", said, label, text.id, one.attacker.name)
        for one in rounds
        for text in one.texts
        for label, said in enumerate((text.plain, text.encoded))
        # a detector is shown both or neither
        if text.plain.strip() and text.encoded.strip()
    ]
    if not rows:
        # nobody wrote anything: there is nothing to detect, and no file that says otherwise
        (folder / TEXTS).unlink(missing_ok=True)
        return
    ids, said, labels, own, names = zip(*rows, strict=True)
    texts = TextSet(
        np.array(ids),
        texts=said,
        y=np.array(labels),
        groups=np.array([group[one] for one in own]),
        distribution="hidden messages",
        meta={"attacker": names},
    )
    # whole or not there: written beside, and renamed over an earlier one
    fresh = folder / f".{TEXTS}.new.jsonl"
    fresh.unlink(missing_ok=True)
    write_texts(texts, fresh)
    fresh.replace(folder / TEXTS)


def read_game(folder: Path) -> Game:
    """Read the record of a game from its folder.

    Parameters
    ----------
    folder
        As ``tiltmeter stego play`` fills it.

    Returns
    -------
    The record.

    Raises
    ------
    FileError
        If it is not there.
    FormatError
        If it is damaged or of another version.

    Examples
    --------
    >>> read_game(Path("nowhere"))
    Traceback (most recent call last):
    tiltmeter.core.errors.FileError: nowhere/stego.json does not exist; check the path.
    """
    return read_record(folder / RECORD, Game)
