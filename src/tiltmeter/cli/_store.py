"""``tiltmeter store``: info, verify, export."""

from __future__ import annotations

import sys
from json import dumps
from pathlib import Path
from typing import Annotated, Literal

import typer

store_app = typer.Typer(
    help="Activations on disk, as tiltmeter collect writes them.", no_args_is_help=True, rich_markup_mode=None
)
_Folder = Annotated[Path, typer.Argument(help="The folder of a store.")]


@store_app.command()
def info(
    store: _Folder, json: Annotated[bool, typer.Option("--json", help="Print it as one JSON object.")] = False
) -> None:
    """Say what a store holds and how it was made.

    Example: tiltmeter store info acts
    """
    from tiltmeter.cli._terminal import steps

    with steps("store info"):
        from tiltmeter.activations import ActivationStore

        found = ActivationStore.open(store).info()
    if json:
        print(found.model_dump_json(indent=2))
        return
    made = found.spec
    print(f"model     {made.model.name} ({made.model.model_type}, {made.model.dtype}), fingerprint {made.model.digest}")
    span = made.encoding.model_dump(mode="json")["span"]
    print(f"read      {made.pooling} of span {span}; long texts: {made.encoding.long_texts}")
    if made.encoding.skip_first:
        print(f"          the first {made.encoding.skip_first} positions are never read")
    print(f"on disk   {found.bytes / 1e6:,.1f} MB in {found.n_shards} shards")
    if found.n_shards_missing:
        print(f"missing   {found.n_shards_missing} shards; the collect command that was stopped goes on with them")
    print("\nsite                 features        texts")
    for site, width in found.sites.items():
        print(f"{site:20} {width:8,} {found.texts[site]:12,}")


@store_app.command()
def verify(
    store: _Folder, json: Annotated[bool, typer.Option("--json", help="Print it as one JSON object.")] = False
) -> None:
    """Hash every file of a store; exit code 2 if one is damaged or gone.

    Example: tiltmeter store verify acts
    """
    from tiltmeter.cli._terminal import steps

    with steps("store verify"):
        from tiltmeter.activations import ActivationStore

        opened = ActivationStore.open(store)
        problems = opened.verify()
    if json:
        print(dumps({"problems": [str(problem) for problem in problems]}, indent=2))
        raise typer.Exit(2 if problems else 0)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print(
            "Remove the damaged files and run the same tiltmeter collect again: it makes anew what is missing. "
            "Without its plan, a part is read anew as a whole.",
            file=sys.stderr,
        )
        raise typer.Exit(2)
    found = opened.info()
    unfinished = f"; {found.n_shards_missing} shards are still to be collected" if found.n_shards_missing else ""
    print(f"{store} is sound: {found.n_shards} shards, {found.bytes:,} bytes{unfinished}")


@store_app.command()
def export(
    store: _Folder,
    out: Annotated[Path, typer.Option(help="The folder to write; it must not exist.")],
    to: Annotated[Literal["numpy", "parquet", "datasets"], typer.Option(help="The form of the files.")] = "numpy",
    sites: Annotated[str | None, typer.Option(help="A list such as 3.resid_post,4.resid_post. Default: all.")] = None,
) -> None:
    """Write a store as NumPy arrays, Parquet files or Hugging Face datasets.

    Example: tiltmeter store export acts --out acts_numpy --sites 3.resid_post
    """
    from tiltmeter.cli._terminal import steps

    chosen = None if sites is None else tuple(site.strip() for site in sites.split(","))
    with steps("store export"):
        from tiltmeter.activations import ActivationStore, export_store

        where = export_store(ActivationStore.open(store), out, to=to, sites=chosen)
    print(where)
