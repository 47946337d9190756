"""Teachers that are no organism: a classifier of Hugging Face, or a file of what somebody said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tiltmeter.core.errors import DataError, FileError, FormatError, ModelError
from tiltmeter.data import TextSet, plain_texts

_ROWS_AT_ONCE = 32


def classifier_outputs(
    name: str, texts: TextSet, *, positive: str, revision: str | None = None
) -> Float[NDArray[np.float64], " n"]:
    """Ask a text classifier for the probability of one of its labels.

    Parameters
    ----------
    name
        A folder or a hub id of a model with a head for sequence classification.
    texts
        What it is asked about. Longer texts than it can read are cut.
    positive
        The label that means 1, as the model's configuration calls it.
    revision
        Branch, tag or commit of a hub model.

    Returns
    -------
    Probabilities, shape (n,).

    Raises
    ------
    ModelError
        If it cannot be loaded, or has no such label.

    Examples
    --------
    >>> texts = TextSet(np.array(["a"]), texts=("good",))
    >>> classifier_outputs("no-such-folder/x/y", texts, positive="POSITIVE")
    Traceback (most recent call last):
    tiltmeter.core.errors.ModelError: The classifier no-such-folder/x/y cannot be loaded; check its name.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
        model = AutoModelForSequenceClassification.from_pretrained(name, revision=revision).eval()
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"The classifier {name} cannot be loaded; check its name.") from error
    known = {str(label): int(place) for place, label in model.config.id2label.items()}
    if positive not in known:
        raise ModelError(f"The classifier {name} has no label {positive!r}; its labels are {', '.join(known)}.")
    written, found = list(plain_texts(texts)), []
    with torch.no_grad():
        for start in range(0, len(written), _ROWS_AT_ONCE):
            batch = tokenizer(
                written[start : start + _ROWS_AT_ONCE], padding=True, truncation=True, return_tensors="pt"
            )
            found.append(model(**batch).logits.double().softmax(dim=-1)[:, known[positive]].numpy())
    return np.concatenate(found) if found else np.empty(0)


def read_outputs(path: Path | str, texts: TextSet) -> Float[NDArray[np.float64], " n"]:
    r"""Read what a teacher said of texts from a file.

    Parameters
    ----------
    path
        JSON Lines with ``text`` and ``output``, a label 0 or 1 or the probability of 1. Other keys are ignored.
    texts
        Those that are asked about.

    Returns
    -------
    The outputs, shape (n,).

    Raises
    ------
    FileError
        If the file is not there.
    FormatError
        If a line is not of this form.
    DataError
        If it says nothing of a text.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "said.jsonl"
    >>> _ = path.write_text('{"text": "good", "output": 0.9}\n{"text": "bad", "output": 0}\n')
    >>> read_outputs(path, TextSet(np.array(["a"]), texts=("good",))).tolist()
    [0.9]
    """
    where = Path(path).expanduser()
    if not where.is_file():
        raise FileError(f"The outputs {where} do not exist; give a JSON Lines file with text and output.")
    said: dict[str, float] = {}
    for number, line in enumerate(where.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            text, output = row["text"], float(row["output"])
        except (ValueError, KeyError, TypeError):
            raise FormatError(f"{where}, line {number}: give an object with text and output, a number.") from None
        if not 0 <= output <= 1:
            raise FormatError(f"{where}, line {number}: the output is {output}; give a number from 0 to 1.")
        said[text] = output
    for row_id, text in zip(texts.ids, plain_texts(texts), strict=True):
        if text not in said:
            raise DataError(f"{where} says nothing of row {row_id} of {texts.distribution}; it must hold every text.")
    return np.array([said[text] for text in plain_texts(texts)], dtype=np.float64)
