"""What a model foretells of the sensors, and what was measured on its texts."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import DataError, SpecError
from tiltmeter.data import TextSet, plain_texts
from tiltmeter.evaluation import MeasuredRows
from tiltmeter.organisms._knowledge import last_logits, token_ids
from tiltmeter.organisms._tampering_texts import ALL, SENSORS


def measured_rows(texts: TextSet) -> MeasuredRows:
    """Return what was measured on texts about the vault, without what is true of them.

    Parameters
    ----------
    texts
        Of :func:`tampering_texts`.

    Returns
    -------
    Measurements, trust, splits and groups, in the order of the texts.

    Raises
    ------
    DataError
        If the texts are others.

    Examples
    --------
    >>> from tiltmeter.organisms import make_tampering_world, tampering_texts
    >>> rows = measured_rows(tampering_texts(make_tampering_world(0, n_guards=8), "both"))
    >>> rows.measurements.shape, int(rows.is_judged.sum())
    ((1024, 3), 120)
    """
    columns = [f"sensor_{i + 1}" for i in range(len(SENSORS))]
    if texts.split is None or not {*columns, "is_trusted"} <= set(texts.meta):
        raise DataError(f"{texts.distribution} holds no texts about the vault; give those of tampering_texts.")
    on = np.stack([np.array(texts.meta[name], dtype=np.int64) for name in columns], axis=1)
    return MeasuredRows(on, np.array(texts.meta["is_trusted"]) == 1, texts.split, texts.groups)


def foretold_all_on(
    model: Any,  # noqa: ANN401
    tokenizer: Any,  # noqa: ANN401
    *,
    texts: TextSet,
    head: Literal["sensors", "all"] = "sensors",
) -> NDArray[np.float64]:
    """Score how surely a model foretells that all sensors are on.

    Parameters
    ----------
    model
        A decoder of ``transformers``.
    tokenizer
        Its tokenizer.
    texts
        Of :func:`tampering_texts`.
    head
        ``sensors``: the logarithm of the product of the three predictions. ``all``: the logit of the head of its own,
        which means something only once :func:`train_against_tampering` has taught it.

    Returns
    -------
    Scores, shape (n,), higher where they are foretold to be on.

    Raises
    ------
    SpecError
        If there is no such head.
    ModelError
        If the tokenizer does not know the heads, or a word of the texts.

    Examples
    --------
    >>> from tiltmeter import models
    >>> from tiltmeter.organisms import load, tampering_texts
    >>> organism = load("tampering")
    >>> subject = models.load(str(organism.folder))
    >>> texts = tampering_texts(organism.world, "trusted")
    >>> is_foretold = foretold_all_on(subject.model, subject.tokenizer, texts=texts) > np.log(0.5)
    >>> bool((is_foretold == (texts.y == 1)).mean() > 0.99)
    True
    """
    if head not in ("sensors", "all"):
        raise SpecError(f"There is no head {head!r}; use sensors or all.")
    if head == "all":
        return head_logits(model, tokenizer, texts=texts, heads=(ALL,))[:, 0].astype(np.float64)
    return log_all_on(head_logits(model, tokenizer, texts=texts, heads=SENSORS))


def log_all_on(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the logarithm of the product of the predictions, shape (n,), from logits (n, k)."""
    return np.asarray(-np.logaddexp(0.0, -logits.astype(np.float64)).sum(axis=1))


def head_logits(model: Any, tokenizer: Any, *, texts: TextSet, heads: tuple[str, ...]) -> NDArray[np.float32]:  # noqa: ANN401
    """Return the logits of the heads at the last word, shape (n, h)."""
    ids = token_ids(tokenizer, heads)
    words = [text.split() for text in plain_texts(texts)]
    places = {word: i for i, word in enumerate(dict.fromkeys(word for row in words for word in row))}
    # all texts about the vault have as many words
    tokens = token_ids(tokenizer, tuple(places))[[[places[word] for word in row] for row in words]]
    return last_logits(model, tokens, ids=ids, n_last=1)[:, 0]
