"""``tiltmeter init``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tiltmeter.cli._own_texts import IdColumn, LabelColumn, PositiveLabel, TextColumn

if TYPE_CHECKING:
    from tiltmeter.data import Guess
    from tiltmeter.studies import ColumnsOf


def init(
    texts: Annotated[str, typer.Argument(help="Your texts: JSONL, CSV, Parquet, hf:NAME:SPLIT, or organism:NAME/SET.")],
    out: Annotated[Path | None, typer.Option(help="The spec to write; it must not exist. Default: NAME.yaml.")] = None,
    model: Annotated[
        str | None, typer.Option(help="A model folder, a hub id, or organism:NAME; asked for if it is not given.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the study. Default: the name of the texts.")] = None,
    text: TextColumn = None,
    label: LabelColumn = None,
    positive: PositiveLabel = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="The column of what must not be divided between training and test: the author, the topic. Empty: none."
        ),
    ] = None,
    id_: IdColumn = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of words.")] = False,
) -> None:
    """Write a commented spec for your own texts, which tiltmeter study runs, and check them for leakage.

    In a terminal it asks what it cannot tell from the file; elsewhere it says which option is missing.

    Example: tiltmeter init cities.csv --model Qwen/Qwen3-0.6B --label is_true --positive yes --group city
    """
    import json
    import shlex

    from tiltmeter.core.errors import FileError, SpecError

    spec = out or Path(f"{_file_name(name or texts)}.yaml")
    if spec.exists():  # said before anything is asked
        raise FileError(f"{spec} exists already; remove it first, or name another spec with --out.")
    from tiltmeter import studies
    from tiltmeter.cli._terminal import steps

    with steps(spec.stem):
        columns = studies.ColumnsOf(text, label, group, positive, id_)
    if sys.stdin.isatty() and not texts.startswith("organism:"):
        columns = _asked(texts, columns)
    if not model:
        if not sys.stdin.isatty():
            raise SpecError("Name the model to read with --model: a folder, a hub id, or organism:NAME.")
        model = _ask("Which model is to be read? A folder, a hub id, or organism:NAME")
    with steps(spec.stem, first="splitting the texts, and looking for copies"):
        made = studies.draft_spec(texts, spec, model=model, name=name, columns=columns)
    if as_json:
        told = {"spec": str(made.spec), "texts": None if made.texts is None else str(made.texts), "notes": made.notes}
        print(json.dumps({**told, "leakage": made.leakage.model_dump(mode="json")}, indent=2, ensure_ascii=False))
        return
    for note in made.notes:
        print(f"- {note}.")
    if made.texts is not None:
        print(f"Texts: {made.texts}")
    print(f"Spec:  {made.spec}\n")
    # as a shell takes it: in quotation marks where there are spaces, and never for an option
    typed = shlex.quote(f"./{made.spec}" if str(made.spec).startswith("-") else str(made.spec))
    print(f"tiltmeter study {typed} --dry-run   # what it would cost")
    print(f"tiltmeter study {typed}")


def _file_name(given: str) -> str:
    """Return the last part of a path, a set or a dataset, as a file may be called wherever it stands."""
    for prefix in ("organism:", "hf:"):
        given = given.removeprefix(prefix)
    return Path(given).stem.replace(":", "-").strip() or "study"


def _asked(texts: str, columns: ColumnsOf) -> ColumnsOf:
    """Ask for what neither the options nor the file tell."""
    from tiltmeter.data import guess_columns

    guess = guess_columns(texts, text=columns.text, label=columns.label)
    names = [column.name for column in guess.columns]
    if guess.text is None and guess.content == "text":
        _list(guess)
        columns = columns._replace(text=_ask("Which column holds the texts?", of=names))
    if guess.label is None and guess.content != "positive":
        _list(guess)
        columns = columns._replace(label=_ask("Which column holds the labels?", of=names))
        guess = guess_columns(texts, text=columns.text, label=columns.label)
    label = guess.label if columns.positive is None and guess.positive is None and not guess.is_binary else None
    if label is not None and (found := guess.column(label)) is not None:
        # of many values only the first few are known here
        of = found.values if found.n_values == len(found.values) else ()
        question = f"Which label means 1, what the probe is to find? {found}"
        columns = columns._replace(positive=_ask(question, of=of))
    if columns.group is None and guess.group is None:
        question = "Which column holds what must stay together, such as the author or the topic? Empty for none"
        columns = columns._replace(group=_ask(question, of=(*names, ""), default="") or None)
    return columns


def _list(guess: Guess) -> None:
    for one in guess.columns:
        typer.echo(f"  {one}", err=True)


def _ask(question: str, *, of: Sequence[str] = (), default: str | None = None) -> str:
    """Ask until the answer is one of those there are; whoever breaks off stops the command as Ctrl-C does elsewhere."""
    while True:
        try:
            given = str(typer.prompt(question, default=default, show_default=False, err=True))
        except typer.Abort:
            raise KeyboardInterrupt from None
        if not of or given in of:
            return given
        typer.echo(f"There is no {given!r}; one of {', '.join(filter(None, of))}.", err=True)
