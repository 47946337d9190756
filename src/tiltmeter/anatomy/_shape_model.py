"""The shape of a model: its activations on some texts, its weights, the gradients by both, and all their spectra."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from tiltmeter.activations import collect
from tiltmeter.anatomy._activation_gradients import activation_gradients
from tiltmeter.anatomy._shape import DEFAULT_SETTINGS, FEWEST_VALUES, ShapeSettings, check_settings, varies
from tiltmeter.anatomy._shape_rows import rows_shape
from tiltmeter.anatomy._spectrum_tail import spectrum_shape
from tiltmeter.anatomy._weight_gradients import weight_gradients, weight_matrices
from tiltmeter.core.activations import Activations
from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import SpecError
from tiltmeter.core.shape import ModelShape, RowsShape, SetKind, Spectrum
from tiltmeter.data import TextSet
from tiltmeter.models import Encoded, Sites, SubjectModel, encode

Part = Literal["activations", "activation_gradients", "weights", "gradients", "spectra"]
PARTS: tuple[Part, ...] = get_args(Part)


class _Set(NamedTuple):
    """One matrix that is looked at, and which of its rows belong together."""

    name: str
    kind: SetKind
    X: NDArray[np.floating]
    groups: NDArray[Any] | None


def model_shape(
    subject: SubjectModel,
    texts: TextSet,
    *,
    sites: Sites = "all",
    parts: Sequence[Part] = PARTS,
    directions: Mapping[str, Direction] | None = None,
    settings: ShapeSettings = DEFAULT_SETTINGS,
    announce: Callable[[str], None] | None = None,
) -> ModelShape:
    """Test the shape of a model's activations, weights and gradients, and of the spectra of their matrices.

    Parameters
    ----------
    subject
        A decoder, if gradients are asked for; else any model.
    texts
        What it reads. All tokens that the span rule names count, but for the first position, where models park
        attention. Tokens of a text, or of a group where texts have groups, are resampled together; where there are no
        groups, texts of the same tokens count as one.
    sites
        Where activations are read; see :func:`tiltmeter.activations.collect`.
    parts
        Which of ``"activations"``, ``"activation_gradients"`` (at the same sites), ``"weights"``, ``"gradients"`` (by
        each weight) and ``"spectra"`` (of whichever of the others are asked for).
    directions
        Directions by name, each with a site among these: the activations are projected on them.
    settings
        See :class:`ShapeSettings`.
    announce
        Told what is looked at.

    Returns
    -------
    A set each site, each matrix, and the gains of all norms as wide as the model, a row each. Matrices of fewer than
    8 rows or columns that vary, fewer than 200 entries, or nine tenths of them the same are left out; of a gradient,
    rows of zeros are (embeddings of tokens that no text holds).

    Raises
    ------
    SpecError
        If nothing is asked for, or a direction names no site that is read.
    TiltmeterError
        Whatever reading the model may raise.

    Notes
    -----
    Weights and their gradients are tested by entry, with the rows of the matrix as units. Gradients are those of the
    mean loss over the next tokens of all texts; by an activation, all that follows from it is counted, later tokens
    too, and the last token of a text, on which nothing depends, is left out. Cost: some seconds a set.

    Examples
    --------
    >>> from tiltmeter import models, organisms
    >>> subject = models.load(organisms.load("facts").folder)
    >>> texts = organisms.texts("facts", "affirmative").select(np.arange(60))
    >>> settings = ShapeSettings(n_nulls=1, n_draws=100, n_coordinates=0, n_random=0)
    >>> found = model_shape(subject, texts, sites=["0.resid_post"], parts=["activations"], settings=settings)
    >>> [one.name for one in found.sets]
    ['0.resid_post']
    """
    check_settings(settings)
    wrong = [part for part in parts if part not in PARTS]
    if wrong or not set(parts) - {"spectra"}:
        raise SpecError(f"parts is {list(parts)}; give some of {', '.join(PARTS)}, and not spectra alone.")
    encoded = encode(subject, texts, skip_first=1)
    owners = texts.groups if texts.groups is not None else _owners(encoded)
    along: dict[str, dict[str, NDArray[np.floating]]] = {}
    for name, direction in (directions or {}).items():
        along.setdefault(str(direction.site), {})[name] = direction.vector
    read: dict[str, Activations] = {}
    if "activations" in parts:
        read = dict(collect(subject, encoded, sites=sites, pooling="all").items())
    if strange := sorted(set(along) - set(read)):
        raise SpecError(f"Directions stand at {', '.join(strange)}, where no activations are read; name the site.")
    sets: list[RowsShape] = []
    spectra: list[Spectrum] = []
    for one in _sets(subject, encoded, owners=owners, read=read, sites=sites, parts=parts):
        if announce is not None:
            announce(f"{one.kind} {one.name}")
        is_matrix = one.kind in ("weights", "gradients")
        looked_at = settings._replace(n_coordinates=0, n_random=0) if is_matrix else settings
        sets.append(
            rows_shape(
                one.X,
                name=one.name,
                kind=one.kind,
                groups=one.groups,
                directions=along.get(one.name) if one.kind == "activations" else None,
                settings=looked_at,
            )
        )
        if "spectra" in parts:
            found = spectrum_shape(one.X, name=one.name, kind=one.kind, level=settings.level, seed=settings.seed)
            spectra += [found] if isinstance(found, Spectrum) else []
    return ModelShape(
        model=subject.name,
        texts=texts.distribution,
        n_texts=len(texts),
        n_tokens=int(encoded.n_read.sum()),
        part_kurtosis=settings.part_kurtosis,
        level=settings.level,
        seed=settings.seed,
        sets=tuple(sets),
        spectra=tuple(spectra),
    )


def _sets(
    subject: SubjectModel,
    encoded: Encoded,
    *,
    owners: NDArray[Any],
    read: Mapping[str, Activations],
    sites: Sites,
    parts: Sequence[Part],
) -> Iterator[_Set]:
    for site, rows in read.items():
        yield _Set(site, "activations", rows.X, np.repeat(owners, encoded.n_read))
    if "activation_gradients" in parts:
        for site, (X, text) in activation_gradients(subject, encoded, sites=sites).items():
            yield _Set(site, "activation gradients", X, owners[text])
    if "weights" in parts:
        for name, weight in {**weight_matrices(subject), "gains of the norms": _gains(subject)}.items():
            if _is_testable(weight):
                yield _Set(name, "weights", weight, None)
    if "gradients" in parts:
        for name, gradient in weight_gradients(subject, encoded).items():
            # the embedding of a token that no text holds has none
            seen = gradient[gradient.any(axis=1)]
            if _is_testable(seen):
                yield _Set(name, "gradients", seen, None)


def _owners(encoded: Encoded) -> NDArray[np.int64]:
    """Return a number for each text, one for all of the same tokens: a text says nothing new the second time."""
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(encoded.row(i)[0].tobytes(), i) for i in range(len(encoded))])


def _gains(subject: SubjectModel) -> NDArray[np.float64]:
    """Return the gains of all norms as wide as the model, a row each; they are too few to be looked at one by one."""
    named = subject.model.named_parameters()
    found = [
        weight.detach().double().cpu().numpy()
        for name, weight in named
        if name.endswith("weight") and weight.shape == (subject.d_model,)
    ]
    return np.array(found).reshape(-1, subject.d_model)


def _is_testable(W: NDArray[np.float64]) -> bool:
    """Say whether a matrix has entries enough, in columns and rows that vary, and not nearly all of them the same."""
    return (
        W.size >= FEWEST_VALUES
        and min(W.shape) >= 8
        and int(varies(W).sum()) >= 8
        and float((np.median(W) == W).mean()) < 0.9
    )
