"""Concept scrubbing: an eraser at every layer, each fitted behind those before it, in one pass along the model."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.activations import Done, OnProgress, plan_batches
from tiltmeter.core.errors import ArrayError
from tiltmeter.core.seeds import stream
from tiltmeter.core.site import Site
from tiltmeter.data import TextSet
from tiltmeter.erasure import AffineEraser, LEACEFitter
from tiltmeter.interventions._concept_rows import concept_rows
from tiltmeter.interventions._erase import Erase
from tiltmeter.models import Encoded, Padded, SubjectModel, edited, encoded_for, pad, read_from

# tokens of a batch, padding counted
_TOKEN_BUDGET = 4096
# Where features vary by rounding alone, 1e-7 of their size, their correlation with z is about 1e-8, and rounding, too.
# Shrunk by this much it weighs 1e-4 in the map, and what really varies is followed as before.
_SHRINKAGE = 1e-4


class StreamingFitter(Protocol):
    """What :func:`scrub` fits at each site; :class:`tiltmeter.erasure.LEACEFitter` is one."""

    def update(self, X: Tensor, z: NDArray[Any], /) -> object:
        """Take rows (n, d) and their concept: numbers (n, c), or the number of each row's class (n,)."""

    def finish(self) -> AffineEraser:
        """Return the eraser of all rows so far."""


class Scrub(NamedTuple):
    """What scrubbing found.

    ``erasers``: one a site, in the order in which a forward reaches them. ``n_rows``: tokens that each was fitted on.
    ``shuffled``: the seed by which the labels were shuffled before, None if they were not.
    """

    erasers: dict[Site, AffineEraser]
    n_rows: int
    shuffled: int | None

    @property
    def edits(self) -> tuple[Erase, ...]:
        """The erasers as interventions, for ``edited`` and ``generate``."""
        return tuple(Erase(site, eraser) for site, eraser in self.erasers.items())


def scrub(
    subject: SubjectModel,
    texts: TextSet | Encoded,
    *,
    z: NDArray[Any] | None = None,
    sites: Literal["residual"] | Sequence[str | Site] = "residual",
    fitter: Callable[[int, int], StreamingFitter] | None = None,
    shuffled: int | None = None,
    progress: OnProgress | None = None,
) -> Scrub:
    """Fit an eraser at each site, on what the site shows once the erasers of the sites before are at work.

    With the erasers in place no site shows the concept linearly, on average over the tokens that they were fitted on.
    Later blocks may work it out again from what is not linear; the eraser that follows them takes that away, too.

    Parameters
    ----------
    subject
        The model. It is not changed.
    texts
        Texts or chats; the tokens that are read (see :func:`encode`) are the rows of the fit.
    z
        The concept: labels or numbers, one a text, shape (n,), or one a token, ``offsets[-1]`` of the encoded texts;
        numbers may have several columns. Whole numbers, booleans and strings in one column are labels. None for the
        labels of the texts.
    sites
        Where to erase. ``"residual"``: ``resid_post`` of every block. Order does not matter.
    fitter
        Makes a fitter from the width of a site and the number of columns of z (1 for two classes, else as many as there
        are), such as ``functools.partial(LEACEFitter, shrinkage=0.01)``. None for LEACE with a shrinkage of 1e-4.
    shuffled
        A seed: the labels are shuffled first, among texts if there is one a text, which is the null of a scrub. None
        for the labels as they are.
    progress
        Told how far it is after each batch; a text counts once a site.

    Raises
    ------
    DataError
        If there are neither z nor labels.
    ArrayError
        If z fits neither texts nor tokens, is constant, or an eraser cannot be fitted; the message names the site.
    SpecError, ModelError
        If a site is absent, or the model cannot be read.

    See Also
    --------
    scrub_damage : What it does to the model's predictions, beside its null.

    Notes
    -----
    The states of all tokens at one block are kept between sites, in the model's dtype in main memory: as many numbers
    as there are tokens (padding counted) times d_model; a fitter's matrix is d × d. Each batch goes through each block
    once if sites are ``resid_post``; a block with other sites is run once for each of them. That is what one forward of
    all texts costs, where fitting site after site by whole forwards costs half as many as there are blocks. An eraser
    acts on every token, special ones too, whichever it was fitted on.

    The small shrinkage of the default costs no exactness. What comes out of a LayerNorm has a direction in which it
    varies by rounding alone (post-norm families); without shrinkage the least change of the rows would be to blow that
    noise up, by factors of 10⁴ and more.

    References
    ----------
    Belrose et al., "LEACE: perfect linear concept erasure in closed form", NeurIPS 2023, section 6.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> texts = TextSet(np.array(["a", "b"]), texts=("Rome is old", "old is Rome is old"), y=np.array([1, 0]))
    >>> found = scrub(subject, texts)
    >>> [(str(site), eraser.rank) for site, eraser in found.erasers.items()], found.n_rows
    ([('0.resid_post', 1), ('1.resid_post', 1)], 8)
    """
    encoded = encoded_for(subject, texts)
    rows = concept_rows(encoded, z, rng=None if shuffled is None else stream(shuffled, "scrub"))
    wanted = _in_order(subject, sites)
    walk, found, begun = _Walk(subject, encoded), dict[Site, AffineEraser](), time.perf_counter()
    done = Done(0, len(wanted) * len(encoded), 0, len(wanted) * len(encoded.tokens), 0, 0.0)

    for site in wanted:
        fit = (fitter or _leace)(subject.width(site), rows.n_columns)

        def take(batch: NDArray[np.int64], values: Tensor, *, fit: StreamingFitter = fit) -> None:
            nonlocal done
            fit.update(values, rows.of(batch))
            texts, tokens = done.texts + len(batch), done.tokens + int(encoded.lengths[batch].sum())
            done = done._replace(texts=texts, tokens=tokens, fresh_tokens=tokens, seconds=time.perf_counter() - begun)
            if progress is not None:
                progress(done)

        try:
            walk.visit(site, take)
            found[site] = fit.finish()
        except ArrayError as error:
            raise type(error)(f"At site {site}: {error}") from error
        walk.edits.append(Erase(site, found[site]))
    return Scrub(found, int(encoded.read.sum()), shuffled)


def _leace(n_features: int, n_columns: int) -> LEACEFitter:
    return LEACEFitter(n_features, n_columns, shrinkage=_SHRINKAGE)


def _in_order(subject: SubjectModel, sites: Literal["residual"] | Sequence[str | Site]) -> list[Site]:
    if isinstance(sites, str) and sites == "residual":
        return [Site(layer, "resid_post") for layer in range(subject.n_layers)]
    order = list(subject.family.points)
    return sorted(subject.resolve_sites(sites), key=lambda site: (site.layer, order.index(site.point), site.head or 0))


class _Walk:
    """Goes along the model site by site, keeping what one block gave, and the edits that lie behind it."""

    def __init__(self, subject: SubjectModel, encoded: Encoded) -> None:
        self.subject = subject
        self.encoded = encoded
        self.batches = plan_batches(encoded.lengths, token_budget=_TOKEN_BUDGET)
        # What block `layer` gave of each batch, before its own resid_post is edited; −1 where no block has run.
        self.layer = -1
        self.states: list[Tensor] = []
        self.edits: list[Erase] = []

    def visit(self, site: Site, take: Callable[[NDArray[np.int64], Tensor], None]) -> None:
        """Hand over what a site shows of the tokens of each batch that are read, shape (rows, d)."""
        # What enters the site's block is kept, where its further sites will start; or what leaves it, where it has none
        # behind this one.
        at = site.layer if site.point == "resid_post" else site.layer - 1
        is_further = at > self.layer
        sites = [Site(at, "resid_post"), site] if is_further else [site]
        states: list[Tensor] = []
        with edited(self.subject, self.edits):
            for i, batch in enumerate(self.batches):
                padded = pad(batch, tokens=self.encoded.tokens, read=self.encoded.read, offsets=self.encoded.offsets)
                seen = self._read(i, padded, sites)
                if is_further:
                    states.append(seen[sites[0]].cpu())
                take(batch, seen[site][padded.read.to(seen[site].device)])
        if is_further:
            # what was kept has gone through the edits up to there
            self.layer, self.states = at, states
            self.edits = [edit for edit in self.edits if edit.site.layer > at]

    def _read(self, i: int, padded: Padded, sites: list[Site]) -> dict[Site, Tensor]:
        mask = padded.mask(is_causal=self.subject.is_causal)
        if self.layer < 0:
            return self.subject.read(padded.tokens, sites=sites, mask=mask)
        states = self.states[i].to(self.subject.input_device)
        return read_from(self.subject, states, tokens=padded.tokens, layer=self.layer, sites=sites, mask=mask)
