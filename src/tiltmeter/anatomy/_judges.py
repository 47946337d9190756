"""Who judges whether a list of tokens is coherent: the model's own rows, their spelling, and models of other origin."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.anatomy._token_coherence import encoder_vectors, spelling_vectors
from tiltmeter.anatomy._token_lens import TokenLens
from tiltmeter.core.errors import DataError, FileError, FormatError
from tiltmeter.models import SubjectModel, embedding, output_embedding


class Judge(NamedTuple):
    """Vectors of the tokens of a lens in which lists are judged, and a sentence on what they are."""

    vectors: NDArray[Any]
    about: str


def usual_judges(
    subject: SubjectModel,
    lens: TokenLens,
    *,
    encoder: SubjectModel | None = None,
    word_vectors: Path | None = None,
) -> dict[str, Judge]:
    """Return the judges that there are for any model, and those that are given.

    Parameters
    ----------
    subject
        The model; its embedding is one judge. Where the lists were made by the same rows (tied to the unembedding, or
        the lens goes through the embedding) the judge is not independent of them, and its name says so.
    lens
        Which tokens.
    encoder
        A sentence encoder.
    word_vectors
        A text file as word2vec and GloVe write it.

    Examples
    --------
    >>> from tiltmeter.anatomy import token_lens
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome")
    >>> list(usual_judges(subject, token_lens(subject, words_only=False)))
    ['own embedding', 'spelling']
    """
    made_lists = lens.through == "embedding" or _is_tied(subject)
    about = f"rows of the embedding of {subject.name}{', by which the lists were made' if made_lists else ''}"
    judges = {
        "own rows (not independent)" if made_lists else "own embedding": Judge(
            embedding(subject).numpy()[lens.tokens], about
        ),
        "spelling": Judge(spelling_vectors(lens.texts), "counts of letters and of pairs of letters; no model"),
    }
    if encoder is not None:
        judges["encoder"] = Judge(
            encoder_vectors(encoder, lens.texts), f"each token as a text of its own: {encoder.name}"
        )
    if word_vectors is not None:
        vectors, n_known = read_word_vectors(word_vectors, lens.texts)
        about = (
            f"{word_vectors.name}, which knows {n_known} of {len(lens.texts)} tokens; the others count as unlike all"
        )
        judges["word vectors"] = Judge(vectors, about)
    return judges


def _is_tied(subject: SubjectModel) -> bool:
    """Whether the unembedding is the embedding itself."""
    table = subject.model.get_input_embeddings()
    return getattr(output_embedding(subject), "weight", None) is table.weight


def read_word_vectors(path: Path, texts: tuple[str, ...]) -> tuple[Float[NDArray[Any], "v e"], int]:
    """Read the vectors of some tokens from a text file with a word and its numbers in each line.

    Parameters
    ----------
    path
        As word2vec (with its first line of counts) or GloVe write it, in UTF-8.
    texts
        Spaces around a token are left out; where the file lacks it, it is looked up in lower case.

    Returns
    -------
    One vector a token, and how many tokens the file knows. The others get the mean of the known ones, which centring
    turns into no direction at all.

    Raises
    ------
    FileError
        If there is no such file.
    FormatError
        If the file is not UTF-8.
    DataError
        If the file knows none of the tokens, or a line has another number of values than the others.

    Examples
    --------
    >>> read_word_vectors(Path("nowhere.txt"), ("a",))
    Traceback (most recent call last):
    tiltmeter.core.errors.FileError: The file of word vectors nowhere.txt does not exist; check the path.
    """
    if not path.is_file():
        raise FileError(f"The file of word vectors {path} does not exist; check the path.")
    wanted = {text.strip() for text in texts} | {text.strip().lower() for text in texts}
    try:
        found = _vectors_of(wanted, path)
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not UTF-8 text ({error}).") from None
    known = [found.get(text.strip(), found.get(text.strip().lower())) for text in texts]
    there = [vector for vector in known if vector is not None]
    if not there:
        raise DataError(f"{path} knows none of the {len(texts)} tokens; is it of another language, or another format?")
    if len({len(vector) for vector in there}) > 1:
        raise DataError(f"{path} has lines of different lengths; give one vector a word, of one length.")
    mean = np.mean(there, axis=0)
    return np.stack([mean if vector is None else vector for vector in known]), len(there)


def _vectors_of(wanted: Set[str], path: Path) -> dict[str, NDArray[np.float64]]:
    found: dict[str, NDArray[np.float64]] = {}
    width = 0
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            word, *values = line.rstrip().split(" ")
            if number == 1 and len(values) == 1:
                continue
            width = width or len(values)
            if word not in wanted:
                continue
            try:
                found[word] = np.array(values, dtype=np.float64)
            except ValueError:
                # GloVe's largest file has words of several parts, such as "at name@domain.com": those are other words
                if len(values) > width:
                    continue
                raise DataError(
                    f"{path} has something else than numbers after its first word in line {number}."
                ) from None
    return found
