"""From directions of the residual stream to tokens, and from tokens to directions."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.core.errors import SpecError
from tiltmeter.models import SubjectModel, embedding, unembedding

Through = Literal["unembedding", "embedding"]

# as sentencepiece writes the space before a word
_SPACES = str.maketrans({"▁": " "})
# what stands for bytes that are no whole character
_BROKEN = "\ufffd"


class TokenLens(NamedTuple):
    """Rows that give one score a token, and the tokens that are listed: their numbers, and how they are written.

    ``rows`` are centred: what all tokens have in common moves no probability and puts no token before another.
    """

    rows: Float[NDArray[Any], "v d"]
    tokens: Int[NDArray[Any], " v"]
    texts: tuple[str, ...]
    through: str


def token_lens(
    subject: SubjectModel, *, through: Through = "unembedding", fold_norm: bool = True, words_only: bool = True
) -> TokenLens:
    """Return the rows by which directions are turned into tokens.

    Parameters
    ----------
    subject
        A decoder; for the embedding any model.
    through
        Rows of the unembedding: what a direction would make the model say, if nothing came after. Or of the embedding:
        which tokens put most of it into the stream at the start.
    fold_norm
        Put the final norm's gain and centring into the rows of the unembedding, as :func:`tiltmeter.models.unembedding`
        does.
    words_only
        List only tokens with a letter that are not special and no parts of a character: others, of which many were
        never trained, fill lists.

    Raises
    ------
    ModelError
        If the model has no unembedding.
    SpecError
        If no token is left.

    Notes
    -----
    Scores are dot products, so that tokens with long rows are listed often, whatever the direction. That is one reason
    for which a list alone says nothing, and is judged beside lists of random directions.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> token_lens(tiny("Rome is .")).texts
    ('Rome', 'is')
    """
    if through == "unembedding":
        found = unembedding(subject, None, fold_norm=fold_norm)
        rows, norm = found.rows.numpy(), found.norm
        name = f"unembedding, final norm ({norm}) folded in" if norm else "unembedding as it is"
    else:
        rows, name = embedding(subject).numpy(), "embedding"
    # a model may have more rows than its tokenizer has tokens
    n = min(len(rows), len(subject.tokenizer))
    written = _written(subject.tokenizer, n)
    special = set(subject.tokenizer.all_special_ids)
    is_listed = np.array([not words_only or (i not in special and _is_word(one)) for i, one in enumerate(written)])
    tokens = np.flatnonzero(is_listed)
    if not len(tokens):
        raise SpecError(f"No token of {subject.name} has a letter in it; list all of them (words_only=False).")
    chosen = rows[tokens]
    return TokenLens(chosen - chosen.mean(axis=0), tokens, tuple(written[i] for i in tokens), name)


def outermost(scores: Float[NDArray[Any], "n v"], *, n_top: int) -> Int[NDArray[Any], "n 2 m"]:
    """Return the tokens at both ends of each row of scores, the outermost first: the highest, then the lowest.

    Raises
    ------
    SpecError
        If there are not twice as many tokens as an end lists.

    Examples
    --------
    >>> outermost(np.array([[0.0, 5.0, -3.0, 1.0]]), n_top=2).tolist()
    [[[1, 3], [2, 0]]]
    """
    v = scores.shape[1]
    if not 0 < n_top <= v // 2:
        raise SpecError(f"n_top is {n_top}; with {v} tokens an end lists between 1 and {v // 2}.")
    order = np.argpartition(scores, (n_top - 1, v - n_top), axis=1)
    ends = np.stack([order[:, v - n_top :], order[:, :n_top]], axis=1)
    picked = np.take_along_axis(scores[:, None], ends, axis=2) * np.array([-1.0, 1.0])[None, :, None]
    return np.take_along_axis(ends, np.argsort(picked, axis=2, kind="stable"), axis=2)


def _written(tokenizer: Any, n: int) -> list[str]:  # noqa: ANN401
    """Return the first tokens as they stand in a text, with the space before a word.

    Byte-level tokenizers spell é as Ã©, and other scripts in letters that mean nothing: there their decoder is asked.
    """
    tokens = [str(token) for token in tokenizer.convert_ids_to_tokens(range(n))]
    decoder = getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None)
    if decoder is None or b'"ByteLevel"' not in decoder.__getstate__():
        return [token.translate(_SPACES) for token in tokens]
    return [decoder.decode([token]) for token in tokens]


def _is_word(token: str) -> bool:
    """Whether a token has a letter and is no byte that the tokenizer spells out, such as <0x0A>, or leaves broken."""
    is_byte = _BROKEN in token or (token.startswith("<0x") and token.endswith(">"))
    return any(letter.isalpha() for letter in token) and not is_byte
