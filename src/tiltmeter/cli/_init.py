"""``tiltmeter init``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
    text: Annotated[str | None, typer.Option(help="The column of the texts, where it is not called text.")] = None,
    label: Annotated[str | None, typer.Option(help="The column of the labels, where it is not called label.")] = None,
    positive: Annotated[str | None, typer.Option(help="The label that means 1, where labels are not 0 and 1.")] = None,
    group: Annotated[
        str | None,
        typer.Option(help="The column of what must not be divided between training and test: the author, the topic."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of words.")] = False,
) -> None:
    """Write a commented spec for your own texts, which tiltmeter study runs, and check them for leakage.

    In a terminal it asks what it cannot tell from the file; elsewhere it says which option is missing.

    Example: tiltmeter init cities.csv --model Qwen/Qwen3-0.6B --label is_true --positive yes --group city
    """
    import json

    from tiltmeter.core.errors import FileError, SpecError

    spec = out or Path(f"{name or Path(texts.partition(':')[2] or texts).stem}.yaml")
    if spec.exists():  # said before anything is asked
        raise FileError(f"{spec} exists already; remove it first, or name another spec with --out.")
    from tiltmeter import studies
    from tiltmeter.cli._print import steps

    columns = studies.ColumnsOf(text, label, group, positive)
    if sys.stdin.isatty() and not texts.startswith("organism:"):
        columns = _asked(texts, columns)
    if model is None:
        if not sys.stdin.isatty():
            raise SpecError("Name the model to read with --model: a folder, a hub id, or organism:NAME.")
        model = typer.prompt("Which model is to be read? A folder, a hub id, or organism:NAME", err=True)
    with steps(spec.stem) as announce:
        announce("splitting the texts, and looking for copies")
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
    print(f"tiltmeter study {made.spec} --dry-run   # what it would cost")
    print(f"tiltmeter study {made.spec}")


def _asked(texts: str, columns: ColumnsOf) -> ColumnsOf:
    """Ask for what neither the options nor the file tell."""
    from tiltmeter.data import guess_columns

    guess = guess_columns(texts, label=columns.label)
    if columns.text is None and guess.text is None and guess.content == "text":
        columns = columns._replace(text=_column(guess, "Which column holds the texts?"))
    if columns.label is None and guess.label is None and guess.content != "positive":
        columns = columns._replace(label=_column(guess, "Which column holds the labels?"))
        guess = guess_columns(texts, label=columns.label)
    label = guess.label if columns.positive is None and guess.positive is None and not guess.is_binary else None
    if label is not None and (found := guess.column(label)) is not None:
        question = f"Which label means 1, what the probe is to find? {found}"
        columns = columns._replace(positive=typer.prompt(question, err=True))
    if columns.group is None and guess.group is None:
        question = "Which column holds what must stay together, such as the author or the topic? Empty for none"
        given = typer.prompt(question, default="", show_default=False, err=True)
        columns = columns._replace(group=given or None)
    return columns


def _column(guess: Guess, question: str) -> str:
    for one in guess.columns:
        typer.echo(f"  {one}", err=True)
    return str(typer.prompt(question, err=True))
