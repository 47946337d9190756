"""Why a replay differs: what is different, and what becomes of the error when it is put back."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import TiltmeterError
from tiltmeter.core.parity import Cause, CauseName, Tolerance
from tiltmeter.core.site import Site
from tiltmeter.models import Attention, DType, SubjectModel, load, share_of_weights_on_grid
from tiltmeter.monitor._reference import versions_here
from tiltmeter.monitor._replay import Replay, encode_again, errors_of, kept_tokens, read_rows, rows_after_final_norm
from tiltmeter.monitor._same_model import differing

# The likeliest first, where no experiment says more: what makes large errors before what rounds. The weights of an
# adapter are among those that are hashed, so that both differ where it is there or not.
_ORDER: tuple[CauseName, ...] = (
    "site", "final norm", "engine", "chat template", "tokenizer", "context", "quantisation", "adapter", "weights",
    "configuration", "dtype", "attention kernel", "device", "library versions", "unknown",
)  # fmt: skip
_BY_FACT: dict[str, CauseName] = {
    "tokenizer_sha256": "tokenizer",
    "chat_template_sha256": "chat template",
    "context": "context",
    "weights_sha256": "weights",
    "adapter_sha256": "adapter",
    "config_sha256": "configuration",
    "model_type": "configuration",
    "dtype": "dtype",
    "attention": "attention kernel",
}
_TOKENS = frozenset({"tokenizer", "chat template", "context"})
# a cause that explains an error leaves at most so much of it
_EXPLAINED = 0.1
_QUANTISED = 0.5


def find_causes(replayed: Replay, *, tolerance: Tolerance, is_foreign: bool, explain: bool) -> tuple[Cause, ...]:
    """Name what differs, the likeliest cause first.

    ``is_foreign``: the rows came from another engine. ``explain``: load the model again with one thing put back at a
    time.
    """
    causes = _facts(replayed)
    if not replayed.reference.has_tokens(replayed.encoded).all():
        causes = _with_kept_tokens(replayed, causes)
    if is_foreign:
        causes += _engine(replayed)
    # what another model shows elsewhere says nothing of where this one was read
    is_own = not {"weights", "quantisation", "configuration", "adapter"} & {cause.what for cause in causes}
    if is_own and float(replayed.errors.activation.max()) > tolerance.activation:
        causes += _other_site(replayed, tolerance, is_foreign=is_foreign)
    if explain:
        causes = [_put_back(replayed, cause) for cause in causes]
    largest = float(replayed.errors.score.max())
    if not causes and (largest or float(replayed.errors.activation.max())):
        causes = [
            Cause(what="unknown", was="as recorded", now="as recorded", finding="nothing that is recorded differs")
        ]
    return tuple(sorted(causes, key=lambda cause: _place(cause, replayed, largest)))


def _place(cause: Cause, replayed: Replay, largest: float) -> tuple[int, int]:
    """Return where a cause stands: shown by an experiment, then untried, then shown to be none."""
    if cause.what in ("site", "final norm"):
        tier = 0
    elif cause.left is not None:
        tier = 0 if cause.left <= _EXPLAINED * largest else 2
    elif cause.what in _TOKENS:
        tier = 2 if replayed.reference.has_tokens(replayed.encoded).all() else 0
    else:
        tier = 1
    return tier, _ORDER.index(cause.what)


def _facts(replayed: Replay) -> list[Cause]:
    """Name the facts that differ, of the fingerprint and of what computes."""
    subject, reference = replayed.subject, replayed.reference
    found = differing(replayed.card, subject, reference=reference)
    causes = [
        Cause(what=_BY_FACT[name], was=_short(was), now=_short(now))
        for name, (was, now) in found.facts.items()
        if name in _BY_FACT
    ]
    causes = [
        _quantised(cause, subject, reference.origin.on_grid) if cause.what == "weights" else cause for cause in causes
    ]
    was, now = reference.origin.made_with, versions_here(subject)
    if was.device != now.device:
        causes.append(Cause(what="device", was=was.device, now=now.device))
    names = [name for name in {**was.packages, **now.packages} if was.packages.get(name) != now.packages.get(name)]
    if names:
        told = (", ".join(f"{name} {of.packages.get(name, 'none')}" for name in names) for of in (was, now))
        causes.append(Cause(what="library versions", was=next(told), now=next(told)))
    return causes


def _short(value: Any) -> str:  # noqa: ANN401
    """Write a fact; of a hash its first digits."""
    text = str(value)
    return text[:8] if len(text) == 64 else text


def _quantised(cause: Cause, subject: SubjectModel, before: float) -> Cause:
    now = share_of_weights_on_grid(subject)
    if now < _QUANTISED or before >= _QUANTISED:
        return cause
    said = f"{now:.0%} of the sampled stretches of weights lie on a grid of at most 255 steps; then {before:.0%} did"
    return Cause(what="quantisation", was=cause.was, now=cause.now, finding=said)


def _with_kept_tokens(replayed: Replay, causes: list[Cause]) -> list[Cause]:
    """Read the tokens that the reference kept, and see whether the error goes."""
    site, reading = replayed.card.reading.site, replayed.card.reading
    n_other = int((~replayed.reference.has_tokens(replayed.encoded)).sum())
    finding, left = f"{n_other} of {len(replayed.reference)} texts have other tokens", None
    try:
        kept = kept_tokens(replayed.subject, replayed.reference, reading)
        rows = read_rows(replayed.subject, kept, sites=[site], reading=reading)[site]
        left = float(_errors(replayed, rows))
        finding += f"; with the tokens that were kept a score is off by {left:.2g} standard deviations at most"
    except (IndexError, TiltmeterError):
        finding += ", and the tokens that were kept are not all in its vocabulary"
    to_blame = [cause for cause in causes if cause.what in _TOKENS]
    others = [cause for cause in causes if cause.what not in _TOKENS]
    if not to_blame:
        to_blame = [Cause(what="tokenizer", was="as recorded", now="as recorded")]
    return [cause.model_copy(update={"finding": finding, "left": left}) for cause in to_blame] + others


def _engine(replayed: Replay) -> list[Cause]:
    """Read the texts here, and see whether it is the other engine that differs."""
    site, reading = replayed.card.reading.site, replayed.card.reading
    rows = read_rows(replayed.subject, replayed.encoded, sites=[site], reading=reading)[site]
    left = float(_errors(replayed, rows))
    said = f"read here from {replayed.subject.name}, a score is off by {left:.2g} standard deviations at most"
    return [Cause(what="engine", was="Tiltmeter's own reading", now="rows that were given", finding=said, left=left)]


def _other_site(replayed: Replay, tolerance: Tolerance, *, is_foreign: bool) -> list[Cause]:
    """Look for the rows at the neighbours of the site and after the final norm.

    Of rows that were given, look for them among what the model shows elsewhere; of rows that were read here, look for
    the reference's there.
    """
    subject, reading = replayed.subject, replayed.card.reading
    site = Site.parse(reading.site).resolve(subject.n_layers)
    read = read_rows(subject, replayed.encoded, sites=[site, *_neighbours(subject, site)], reading=reading)
    candidates: dict[str, tuple[CauseName, NDArray[Any]]] = {
        name: ("site", rows) for name, rows in read.items() if name != str(site)
    }
    if site == Site(subject.n_layers - 1, "resid_post"):
        normed = rows_after_final_norm(subject, replayed.encoded, reading=reading)
        if normed is not None:
            candidates[f"{site} after the final norm"] = ("final norm", normed)
    sought = replayed.rows if is_foreign else replayed.reference.rows
    apart = {
        name: float(np.linalg.norm(rows - sought, axis=1).max() / np.linalg.norm(sought, axis=1).mean())
        for name, (_, rows) in candidates.items()
        if rows.shape == sought.shape
    }
    best = min(apart, key=apart.__getitem__, default=None)
    most = min(tolerance.activation, _EXPLAINED * float(replayed.errors.activation.max()))
    if best is None or apart[best] > most:
        return []
    whose = "The rows that were given are" if is_foreign else "The reference is"
    said = f"{whose} what this model shows at {best}, to {apart[best]:.2g} of the norm"
    was, now = (str(site), best) if is_foreign else (best, str(site))
    return [Cause(what=candidates[best][0], was=was, now=now, finding=said)]


def _neighbours(subject: SubjectModel, site: Site) -> list[Site]:
    """Return the same point of the blocks beside, and the other points of its own block."""
    beside = [Site(site.layer + step, site.point, site.head) for step in (-1, 1)]
    beside = [one for one in beside if 0 <= one.layer < subject.n_layers]
    own = [Site(site.layer, point) for point in subject.family.points if point != site.point]
    return [one for one in (*beside, *own) if subject.width(one) == subject.width(site)]


def _put_back(replayed: Replay, cause: Cause) -> Cause:
    """Load the model again with dtype or attention kernel as they were, and all else as it is."""
    source, subject = replayed.subject.loaded_from, replayed.subject
    if cause.what not in ("dtype", "attention kernel"):
        return cause
    if source is None:
        return cause.model_copy(update={"finding": "not tried: the model was not loaded from a file"})
    again = load(
        source.path_or_name,
        revision=source.revision,
        dtype=cast(DType, cause.was) if cause.what == "dtype" else source.dtype,
        attention=cast(Attention, cause.was) if cause.what == "attention kernel" else source.attention,
        device=str(subject.input_device),
    )
    reading = replayed.card.reading
    encoded = encode_again(again, replayed.reference.texts, reading)
    left = float(_errors(replayed, read_rows(again, encoded, sites=[reading.site], reading=reading)[reading.site]))
    said = f"loaded again with {cause.was}, a score is off by {left:.2g} standard deviations at most"
    return cause.model_copy(update={"finding": said, "left": left})


def _errors(replayed: Replay, rows: NDArray[np.floating[Any]]) -> float:
    """Return the largest score error of other rows of the same texts."""
    return float(errors_of(rows, direction=replayed.direction, reference=replayed.reference).score.max())
