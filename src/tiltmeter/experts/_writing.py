"""Rules that a language model writes: it is shown demonstrations, and what it says is kept as a file."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.baselines import RuleList, read_rules
from tiltmeter.core.errors import FileError, FormatError
from tiltmeter.core.files import write_text
from tiltmeter.data import Message, TextSet, plain_texts
from tiltmeter.models import SubjectModel, generate

_FENCE = re.compile(r"```(?:ya?ml)?\s*\n(.*?)(?:```|\Z)", re.DOTALL)
_ASK = """\
Write rules that tell texts of label 1 from texts of label 0. Answer with YAML and nothing else, in this form:
rules:
- {{words: [not, good], then: 0}}
- {{contains: "thank you", then: 1}}
default: -1
The first rule that fits a text decides. "words" must all occur as whole words, "contains" as letters. "default" is
below 0 if texts that no rule fits have label 0. Write general rules, also for words that are not in these examples:
{shown}
"""


def write_rules(
    subject: SubjectModel,
    texts: TextSet,
    *,
    taught: Float[NDArray[np.float64], " n"],
    path: Path,
    n_shown: int = 20,
    max_new_tokens: int = 1024,
) -> RuleList:
    """Let a language model write rules, keep what it wrote, and read it.

    Parameters
    ----------
    subject
        Any decoder. With a chat template it is asked in a chat.
    texts
        Demonstrations.
    taught
        The teacher's outputs, shape (n,), of which half or more counts as label 1.
    path
        The YAML file to write; it must not exist. It may be mended by hand and read again by
        :func:`tiltmeter.baselines.read_rules`.
    n_shown
        How many demonstrations the model is shown, from the first.
    max_new_tokens
        Most tokens of its answer.

    Returns
    -------
    The rules.

    Raises
    ------
    FileError
        If the file exists.
    FormatError
        If what it wrote is no list of rules; the file is kept, so that one can see why.
    DataError, ModelError
        If the model cannot be asked.

    Examples
    --------
    >>> from tiltmeter.models import load
    >>> subject = load("Qwen/Qwen3-0.6B")  # doctest: +SKIP
    >>> write_rules(subject, texts, taught=taught, path=Path("rules.yaml"))  # doctest: +SKIP
    """
    if path.exists():
        raise FileError(f"{path} exists already; name another file or remove it first.")
    shown = "\n".join(
        f"{int(output >= 0.5)}: {' '.join(text.split())}"
        for text, output in zip(plain_texts(texts)[:n_shown], taught, strict=False)
    )
    asked = _ASK.format(shown=shown)
    if subject.tokenizer.chat_template is None:
        prompts = TextSet(np.array(["rules"]), texts=(asked,))
    else:
        prompts = TextSet(np.array(["rules"]), messages=((Message(role="user", content=asked),),))
    (said,) = generate(subject, prompts, max_new_tokens=max_new_tokens).texts
    write_text(path, rules_in(said))
    return read_rules(path)


def rules_in(said: str) -> str:
    r"""Return the YAML in what a language model said: the first fenced block, or all from ``rules:`` on.

    Parameters
    ----------
    said
        Its answer.

    Raises
    ------
    FormatError
        If there is neither.

    Examples
    --------
    >>> rules_in("Here you are:\n```yaml\nrules:\n- {words: good, then: 1}\n```\nEnjoy!")
    'rules:\n- {words: good, then: 1}\n'
    """
    if found := _FENCE.search(said):
        return found[1]
    start = said.find("rules:")
    if start < 0:
        raise FormatError(f"The model wrote no rules; it said {said[:80]!r}. Ask another one, or write them by hand.")
    return said[start:]
