"""``tiltmeter collect``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tiltmeter.cli._own_texts import GroupColumn, IdColumn, LabelColumn, PositiveLabel, TextColumn

if TYPE_CHECKING:
    from tiltmeter.data import Span


def collect(
    model: Annotated[str, typer.Argument(help="A model folder, a hub id, or organism:NAME.")],
    texts: Annotated[str, typer.Argument(help="JSONL, CSV, Parquet, hf:NAME:SPLIT, or organism:NAME/SET.")],
    store: Annotated[Path, typer.Option(help="The folder of the store; what it holds already is not read again.")],
    text: TextColumn = None,
    label: LabelColumn = None,
    positive: PositiveLabel = None,
    group: GroupColumn = None,
    id_: IdColumn = None,
    sites: Annotated[
        str, typer.Option(help="all (the embedding and resid_post of every block), or a list: 3.resid_post,-1.mlp_out")
    ] = "all",
    pooling: Annotated[
        Literal["last", "first", "mean", "max", "all"], typer.Option(help="What is kept of the tokens that are read.")
    ] = "last",
    span: Annotated[
        Literal["all", "marked", "assistant"] | None,
        typer.Option(help="Which tokens are read. Default: what the texts say."),
    ] = None,
    message: Annotated[int | None, typer.Option(help="Read this message of each chat; 0 is the first.")] = None,
    between: Annotated[
        tuple[str, str] | None, typer.Option(metavar="START END", help="Read what stands between two markers.")
    ] = None,
    long_texts: Annotated[
        Literal["refuse", "truncate_left", "truncate_right"],
        typer.Option(help="What becomes of texts longer than the context; truncate_left keeps their end."),
    ] = "refuse",
    skip_first: Annotated[int, typer.Option(help="Positions at the start that are never read.")] = 0,
    dtype: Annotated[Literal["float32", "bfloat16", "float16"], typer.Option(help="Of the weights.")] = "float32",
    device: Annotated[str, typer.Option(help="As PyTorch names it, such as cuda:0.")] = "cpu",
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub model.")] = None,
    token_budget: Annotated[int | None, typer.Option(help="Most tokens in a batch. Default: what fits.")] = None,
    engine: Annotated[Literal["local", "ray"], typer.Option(help="This process, or workers of Ray.")] = "local",
    workers: Annotated[int | None, typer.Option(help="Workers of Ray. Default: 2.")] = None,
    gpus: Annotated[float | None, typer.Option(help="GPUs of each worker of Ray. Default: none.")] = None,
    address: Annotated[
        str | None, typer.Option(help="A running Ray cluster, auto on one of its machines. Default: one started here.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; read a few batches, and say what all of them would cost.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of words.")] = False,
) -> None:
    """Read a model's activations on texts into a store. Stopped by whatever, the same command goes on.

    With --dry-run: how many tokens that is, how long it takes and what it needs on disk, before it is begun.

    Example: tiltmeter collect organism:facts organism:facts/negated --store acts --sites 2.resid_post,3.resid_post
    """
    import json

    from tiltmeter import activations, models, studies
    from tiltmeter.cli._own_texts import own_texts
    from tiltmeter.cli._terminal import steps
    from tiltmeter.core.errors import SpecError

    rule = _span(span, message=message, between=between)
    for name, value in (("--workers", workers), ("--gpus", gpus), ("--address", address)):
        if value is not None and engine != "ray":
            raise SpecError(f"{name} is for workers of Ray; add --engine ray, or leave it out.")
    with steps("collect") as announce:
        columns = studies.ColumnsOf(text, label, group, positive, id_)
        rows = own_texts("collect", texts, columns, distribution="texts", labels="given")
        rows = rows if rule is None else replace(rows, span=rule)
        announce("loading the model")
        asked = studies.ModelSpec(path=model, revision=revision, dtype=dtype, device=device)
        subject = studies.open_model(asked, announce=announce)
        encoded = models.encode(subject, rows, long_texts=long_texts, skip_first=skip_first)
    wanted: models.Sites = "all" if sites == "all" else [site.strip() for site in sites.split(",")]
    if dry_run:
        from tiltmeter.cli._cost_table import collection_cost

        cost = activations.collection_cost(
            subject, encoded, sites=wanted, pooling=pooling, store=store, token_budget=token_budget
        )
        if as_json:
            print(json.dumps(cost._asdict(), indent=2))
        else:
            collection_cost(cost, n_sites=len(subject.resolve_sites(wanted)))
        return
    if engine == "ray":
        activations.collect_on_ray(
            subject,
            encoded,
            store=store,
            sites=wanted,
            pooling=pooling,
            workers=activations.RayWorkers(
                n=2 if workers is None else workers, gpus=gpus or 0, address=address, token_budget=token_budget
            ),
            progress=True,
        )
    else:
        activations.collect(
            subject, encoded, sites=wanted, pooling=pooling, store=store, token_budget=token_budget, progress=True
        )
    n_sites, n_truncated = len(subject.resolve_sites(wanted)), int(encoded.truncated.sum())
    n_bytes = activations.ActivationStore.open(store).info().bytes
    if as_json:
        told = {"store": str(store), "texts": len(rows), "sites": n_sites, "truncated": n_truncated, "bytes": n_bytes}
        print(json.dumps(told, indent=2))
        return
    print(f"{store}: {len(rows):,} texts at {n_sites} sites")
    if n_truncated:
        print(f"{n_truncated:,} texts were truncated ({long_texts})")
    print(f"{n_bytes / 1e6:,.1f} MB in all; tiltmeter store info {store} says what the store holds.")


def _span(
    named: Literal["all", "marked", "assistant"] | None, *, message: int | None, between: tuple[str, str] | None
) -> Span | None:
    """Return the one rule that is given by an option, None for what the texts say."""
    from tiltmeter import data
    from tiltmeter.core.errors import SpecError

    if sum(rule is not None for rule in (named, message, between)) > 1:
        raise SpecError("Give one of --span, --message and --between.")
    if message is not None:
        return data.NthMessage(message)
    return named if between is None else data.Between(*between)
