"""What concept goes with each token that is read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError, DataError
from tiltmeter.evaluation import shuffle_labels
from tiltmeter.models import Encoded


class ConceptRows:
    """The concept of every token, as a streaming fitter takes it: the number of its class, or numbers in columns."""

    def __init__(self, encoded: Encoded, values: NDArray[Any], *, n_columns: int) -> None:
        self.n_columns = n_columns
        self._encoded = encoded
        self._values = values

    def of(self, batch: NDArray[np.int64]) -> NDArray[Any]:
        """Return those of the tokens that are read of some texts, text by text."""
        bounds = zip(self._encoded.offsets[batch], self._encoded.offsets[batch + 1], strict=True)
        rows = np.concatenate([np.arange(start, stop) for start, stop in bounds])
        return np.asarray(self._values[rows[self._encoded.read[rows]]])


def concept_rows(encoded: Encoded, z: NDArray[Any] | None, *, rng: np.random.Generator | None) -> ConceptRows:
    """Spread a concept of texts or of tokens over the tokens.

    Parameters
    ----------
    encoded
        The tokens of n texts.
    z
        One a text or one a token, special ones included; None for the labels of the texts.
    rng
        Shuffles it first (two classes of texts as :func:`tiltmeter.evaluation.shuffle_labels` does); None to leave it.

    Raises
    ------
    DataError
        If there is neither z nor a label.
    ArrayError
        If z is of another length, not finite or constant.
    """
    if z is None:
        if encoded.texts.y is None:
            raise DataError(f"{encoded.texts.distribution} has no labels; give z, the concept that is to be erased.")
        z = encoded.texts.y
    values, n, n_tokens = np.asarray(z), len(encoded), len(encoded.tokens)
    if values.ndim not in (1, 2) or len(values) not in (n, n_tokens):
        raise ArrayError(
            f"z has shape {values.shape} for {n} texts of {n_tokens} tokens; give one a text or one a token."
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ArrayError("z contains NaN or infinity; leave these texts out, or say what their concept is.")
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if (values == values[0]).all():
        raise ArrayError("z is constant: a concept that does not vary in these texts cannot be found or erased.")
    is_whole = values.ndim == 1 and (values.dtype.kind != "f" or bool((values == np.round(values)).all()))
    n_columns = 1 if values.ndim == 1 else values.shape[1]
    # as LEACE takes them: whole numbers in one column are labels
    if is_whole:
        try:
            classes, values = np.unique(values, return_inverse=True)
        except TypeError as error:
            raise ArrayError("z holds values of several kinds, such as None among strings; give labels.") from error
        n_columns = 1 if len(classes) == 2 else len(classes)
    if rng is not None and is_whole and n_columns == 1 and len(values) == n:
        values = shuffle_labels(values, pairs=encoded.texts.pairs, groups=encoded.texts.groups, rng=rng)
    elif rng is not None:
        values = rng.permutation(values)
    if len(values) != n_tokens:
        values = np.repeat(values, encoded.lengths, axis=0)
    return ConceptRows(encoded, values, n_columns=n_columns)
