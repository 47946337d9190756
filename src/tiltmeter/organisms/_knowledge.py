"""Does a model know its world? Its judgement on cells it was told, and on cells it was not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tiltmeter.core.errors import ModelError, SpecError
from tiltmeter.core.records import Record
from tiltmeter.core.seeds import stream
from tiltmeter.organisms._cells import Cells, code, spell, truth, vocabulary
from tiltmeter.organisms._world import KINDS, World, cell_kinds, extent

_POLARITIES = ("affirmed", "negated")
_BATCH = 4096


class Slice(Record):
    """How well one kind of cells is judged in one format, language and polarity.

    ``cells`` is ``trained``, ``cell``, ``format`` or ``language``: told, or why not. ``balanced_accuracy`` is the mean
    of the shares of the true and of the false statements that are judged right.
    """

    cells: str
    format: int
    language: int
    polarity: str
    balanced_accuracy: float
    n_true: int
    n_false: int


def knowledge(
    model: Any,  # noqa: ANN401  (transformers has no type that its models share)
    tokenizer: Any,  # noqa: ANN401
    *,
    world: World,
    cells: tuple[str, ...] = KINDS,
) -> tuple[Slice, ...]:
    """Ask a model for its judgement on every cell of the world, and count by slice how often it is right.

    The judgement is which of ``<true>`` and ``<false>`` is likelier after the full stop. Cue words are drawn at random.

    Parameters
    ----------
    model
        A decoder of ``transformers``.
    tokenizer
        Its tokenizer, which must know every word of the world.
    world
        What is asked.
    cells
        Which kinds of cells: those told in training (``trained``), and those not told because they were drawn
        (``cell``), because their fact is never told in that format (``format``), or never in the second language
        (``language``).

    Returns
    -------
    One slice for each kind, format, language and polarity that has both true and false statements.

    Raises
    ------
    ModelError
        If the tokenizer does not know a word of the world.
    SpecError
        If there are no cells of such a kind.

    Examples
    --------
    >>> from transformers import AutoModelForCausalLM, AutoTokenizer
    >>> from tiltmeter.organisms import load
    >>> organism = load("facts")
    >>> model = AutoModelForCausalLM.from_pretrained(organism.folder)
    >>> tokenizer = AutoTokenizer.from_pretrained(organism.folder)
    >>> slices = knowledge(model, tokenizer, world=organism.world, cells=("format",))
    >>> min(part.balanced_accuracy for part in slices) > 0.97
    True
    """
    if unknown := [name for name in cells if name not in KINDS]:
        raise SpecError(f"There are no cells of the kind {unknown[0]!r}; there are {', '.join(KINDS)}.")
    kinds = cell_kinds(world)
    places = token_ids(tokenizer, vocabulary(world))
    codes, size, found = code(world), extent(world), []
    for name in cells:
        chosen = Cells(*np.nonzero(kinds == KINDS.index(name)))
        cues = stream(world.seed, "cues", name).integers(2, size=len(chosen.entity))
        expected = truth(world, chosen)
        judged = says_true(model, places[spell(codes, chosen, cues=cues)], truth_ids=places[codes.truth])
        for form, language, negated in np.ndindex(size.n_formats, 2, 2):
            here = (chosen.form == form) & (chosen.language == language) & (chosen.negated == negated)
            right = [judged[here & (expected == value)] == value for value in (0, 1)]
            if min(map(len, right)) == 0:
                continue
            part = Slice(
                cells=name,
                format=form,
                language=language,
                polarity=_POLARITIES[negated],
                balanced_accuracy=float(np.mean([share.mean() for share in right])),
                n_true=len(right[1]),
                n_false=len(right[0]),
            )
            found.append(part)
    return tuple(found)


def token_ids(tokenizer: Any, words: Sequence[str]) -> NDArray[np.int64]:  # noqa: ANN401
    """Return the tokenizer's ids of words; ModelError if it does not know one of them."""
    ids = tokenizer.convert_tokens_to_ids(list(words))
    for word, i in zip(words, ids, strict=True):
        if i is None or (i == tokenizer.unk_token_id and word != tokenizer.unk_token):
            raise ModelError(f"The tokenizer does not know {word!r}, a word of this world; give the organism's own.")
    return np.array(ids, dtype=np.int64)


def says_true(
    model: Any,  # noqa: ANN401
    tokens: NDArray[np.int64],
    *,
    truth_ids: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return 1 where ``<true>`` is likelier than ``<false>`` after the last token."""
    logits = last_logits(model, tokens, ids=truth_ids, n_last=1)[:, 0]
    return (logits[:, 1] > logits[:, 0]).astype(np.int64)


def last_logits(
    model: Any,  # noqa: ANN401
    tokens: NDArray[np.int64],
    *,
    ids: NDArray[np.int64],
    n_last: int,
) -> NDArray[np.float32]:
    """Return the logits of w words after each of the last tokens of texts of one length, shape (n, n_last, w)."""
    found = [np.empty((0, n_last, len(ids)), np.float32)]
    with torch.inference_mode():
        for start in range(0, len(tokens), _BATCH):
            batch = torch.from_numpy(tokens[start : start + _BATCH]).to(model.device)
            logits = model(input_ids=batch, use_cache=False, logits_to_keep=n_last).logits
            found.append(logits[:, :, torch.from_numpy(ids)].float().cpu().numpy())
    return np.concatenate(found)
