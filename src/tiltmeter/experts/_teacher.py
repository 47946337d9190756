"""Teachers that are no organism: a classifier of Hugging Face, or a file of what somebody said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tiltmeter.core.errors import DataError, FileError, FormatError, ModelError
from tiltmeter.core.files import expand_user
from tiltmeter.data import TextSet, plain_texts

_ROWS_AT_ONCE = 32
_NO_LIMIT = 10**9


def classifier_outputs(
    name: str, texts: TextSet, *, positive: str, revision: str | None = None
) -> Float[NDArray[np.float64], " n"]:
    """Ask a text classifier for the probability of one of its labels.

    Of labels that exclude each other (softmax), or of one by itself where the model's configuration says that a text
    may have several (sigmoid).

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
        If it cannot be loaded, has no such label, gives one number in place of labels, or its head was never trained.

    Examples
    --------
    >>> texts = TextSet(np.array(["a"]), texts=("good",))
    >>> classifier_outputs("no-such-folder/x/y", texts, positive="POSITIVE")
    Traceback (most recent call last):
    tiltmeter.core.errors.ModelError: The classifier no-such-folder/x/y cannot be loaded; check its name.
    """
    tokenizer, model = _opened(name, revision=revision)
    config = model.config
    known = {str(label): int(place) for place, label in config.id2label.items()}
    if len(known) < 2:
        raise ModelError(f"The classifier {name} gives one number, not the odds of two labels; name another.")
    if positive not in known:
        raise ModelError(f"The classifier {name} has no label {positive!r}; its labels are {', '.join(known)}.")
    is_padded = tokenizer.pad_token_id is not None and config.pad_token_id is not None
    n_at_once, most = _ROWS_AT_ONCE if is_padded else 1, _most_tokens(tokenizer, model)
    written, found = list(plain_texts(texts)), []
    with torch.no_grad():
        for start in range(0, len(written), n_at_once):
            batch = tokenizer(
                written[start : start + n_at_once], padding=is_padded, truncation=most is not None, max_length=most,
                return_tensors="pt",
            )  # fmt: skip
            logits = model(**batch).logits.double()
            several = config.problem_type == "multi_label_classification"
            odds = logits.sigmoid() if several else logits.softmax(dim=-1)
            found.append(odds[:, known[positive]].numpy())
    return np.concatenate(found) if found else np.empty(0)


def _opened(name: str, *, revision: str | None) -> tuple[Any, Any]:
    """Load a tokenizer and a classifier, of which every weight was in the file."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
        model, report = AutoModelForSequenceClassification.from_pretrained(
            name, revision=revision, output_loading_info=True
        )
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"The classifier {name} cannot be loaded; check its name.") from error
    # transformers fills what is absent with random numbers, and a head of those teaches noise
    if absent := sorted(report["missing_keys"]):
        raise ModelError(
            f"{name} has no trained head for labels ({absent[0]} is not among its weights); name a model that was "
            "trained to classify."
        )
    return tokenizer, model.eval()


def _most_tokens(tokenizer: Any, model: Any) -> int | None:  # noqa: ANN401  (transformers types neither)
    """Return how long a text may be; None where nothing limits it."""
    own = getattr(model.config, "max_position_embeddings", None)
    # some families count places from behind the padding's
    skipped = [
        table.padding_idx + 1
        for where, table in model.named_modules()
        if where.endswith("position_embeddings") and getattr(table, "padding_idx", None) is not None
    ]
    limits = [int(tokenizer.model_max_length)] + ([] if own is None else [int(own) - max(skipped, default=0)])
    # a tokenizer that knows no limit says a number of thirty digits
    return most if (most := min(limits)) < _NO_LIMIT else None


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
        If the file is not UTF-8, a line is not of this form, or two lines say different things of one text.
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
    where = expand_user(path)
    if not where.is_file():
        raise FileError(f"The outputs {where} do not exist; give a JSON Lines file with text and output.")
    try:
        # not splitlines(), which also ends a line at signs that JSON allows within a text
        lines = where.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise FormatError(f"{where} is not UTF-8 text ({error}).") from None
    said: dict[str, float] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            text, output = row["text"], float(row["output"])
        except (ValueError, KeyError, TypeError):
            raise FormatError(f"{where}, line {number}: give an object with text and output, a number.") from None
        if not isinstance(text, str):
            raise FormatError(f"{where}, line {number}: the text is {text!r}; give a string.")
        if not 0 <= output <= 1:
            raise FormatError(f"{where}, line {number}: the output is {output}; give a number from 0 to 1.")
        if said.setdefault(text, output) != output:
            raise FormatError(
                f"{where}, line {number}: the output of this text was {said[text]:g} before and is {output:g} now; "
                "a teacher says one thing of a text."
            )
    for row_id, text in zip(texts.ids, plain_texts(texts), strict=True):
        if text not in said:
            raise DataError(f"{where} says nothing of row {row_id} of {texts.distribution}; it must hold every text.")
    return np.array([said[text] for text in plain_texts(texts)], dtype=np.float64)
