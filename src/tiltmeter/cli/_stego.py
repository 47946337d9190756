"""``tiltmeter stego``: play, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

stego_app = typer.Typer(
    help="Messages hidden in text: who encodes them, who removes them, and how many bits get through.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@stego_app.command()
def play(
    out: Annotated[
        Path, typer.Argument(help="A folder; one of an earlier game is gone on with, and its finished rounds are kept.")
    ],
    encoder: Annotated[str, typer.Option(help="A sentence encoder: a model folder or a hub id.")],
    texts: Annotated[
        str | None,
        typer.Option(help="Questions with answers: JSONL, CSV, Parquet, hf:NAME:SPLIT, or organism:NAME/SET."),
    ] = None,
    split_at: Annotated[
        str | None,
        typer.Option(help="Plain texts: the question ends with this. Default: the first sentence, or half the words."),
    ] = None,
    prompts: Annotated[
        str | None,
        typer.Option(help="Questions alone, as for --texts; the writer gives the plain answers, one a question."),
    ] = None,
    maths: Annotated[bool, typer.Option("--maths", help="Play on word problems with checked answers.")] = False,
    writer: Annotated[
        str | None, typer.Option(help="Who writes: a model folder, a hub id, or organism:NAME. Default: rules.")
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            help="A model that compares each text with the plain answer. Default: right answers, or likeness."
        ),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Of attackers or defenders, this one; may be repeated.")
    ] = None,
    games: Annotated[int, typer.Option(help="Texts of each attacker, at most as many as there are questions.")] = 200,
    max_new_tokens: Annotated[int, typer.Option(help="Of the writer.")] = 60,
    seed: Annotated[int, typer.Option(help="Of texts, messages and draws.")] = 0,
    device: Annotated[str, typer.Option(help="Of the models, as PyTorch names it.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print the record instead of a table.")] = False,
) -> None:
    """Play every attacker against every defender on the same texts.

    Writes stego.html, stego.json, and texts.jsonl, on which tiltmeter study examples/stego.yaml trains a detector.

    Example: tiltmeter stego play hidden --maths --encoder sentence-transformers/all-MiniLM-L6-v2
    """
    from tiltmeter import steganography, studies
    from tiltmeter.cli._stego_table import game_table
    from tiltmeter.cli._terminal import steps
    from tiltmeter.core.errors import SpecError

    if sum((texts is not None, prompts is not None, maths)) != 1:
        raise SpecError("Give one of --texts, --prompts and --maths.")
    if split_at is not None and texts is None:
        raise SpecError("--split-at cuts --texts, of which there are none; leave it out.")
    if prompts is not None and writer is None:
        raise SpecError("Somebody must answer the prompts; name a model by --writer.")
    if games < 1:
        raise SpecError(f"--games is {games}; give 1 or more.")

    with steps("stego") as announce:
        announce("loading models")
        reads = studies.open_model(studies.ModelSpec(path=encoder, device=device), announce=announce)
        writes, judges = (
            None if path is None else studies.open_model(studies.ModelSpec(path=path, device=device), announce=announce)
            for path in (writer, judge)
        )
        if maths:
            source, items = "word problems", steganography.word_problems(games, seed=seed)
        elif prompts is not None and writes is not None:
            asked = studies.open_texts(prompts, distribution=prompts)
            announce("answering the prompts")
            source = f"{prompts}, answered by {writer}"
            items = steganography.items_from_prompts(
                asked, games, writer=writes, max_new_tokens=max_new_tokens, seed=seed
            )
        else:
            given = studies.open_texts(str(texts), distribution=str(texts))
            source, items = str(texts), steganography.items_from_texts(given, games, split_at=split_at, seed=seed)
        if len(items) < games:
            announce(f"{len(items)} questions are there for {games} games; {len(items)} are played")
        cast = steganography.make_cast(
            items, reads, writer=writes, judge=judges, only=only or (), max_new_tokens=max_new_tokens
        )
        terms = steganography.Terms(source, seed)
        game = steganography.play(items, cast, folder=out, terms=terms, announce=announce)
    if as_json:
        print(game.model_dump_json(indent=2))
        return
    game_table(game)
    print(f"\nPage: {(out / 'stego.html').resolve()}")


@stego_app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="As tiltmeter stego play filled it.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the record instead of where the page is.")] = False,
) -> None:
    """Write the page of a game again from its record, and print where it is.

    Example: tiltmeter stego report hidden
    """
    from tiltmeter.report import write_stego
    from tiltmeter.steganography import read_game

    page = write_stego(folder)
    print(read_game(folder).model_dump_json(indent=2) if as_json else page.resolve())
