"""``tiltmeter anatomy dictionary``: train, audit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from tiltmeter.core.dictionaries import DictionaryAudit

dictionary_app = typer.Typer(
    help="Sparse dictionaries of activations, beside what random directions and noise would show.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_Json = Annotated[bool, typer.Option("--json", help="Print the record instead of a table.")]
_Rows = Annotated[Path, typer.Argument(help="A store as tiltmeter collect writes it, or a .npy file of rows.")]
_SiteOption = Annotated[str | None, typer.Option(help="Which site of the store, such as 3.resid_post.")]
_Share = Annotated[float, typer.Option(help="About which share of the groups of texts is kept to judge on.")]
_SplitSeed = Annotated[int, typer.Option(help="Of the division into rows to train and to judge on.")]


@dictionary_app.command()
def train(
    rows: _Rows,
    out: Annotated[
        Path,
        typer.Option(help="The folder of the dictionaries, the record and its page; what is there is kept."),
    ],
    site: _SiteOption = None,
    sizes: Annotated[str, typer.Option(help="Numbers of latents.")] = "64,128,256",
    kind: Annotated[Literal["relu", "topk", "jumprelu"], typer.Option(help="What makes latents sparse.")] = "relu",
    penalty: Annotated[float, typer.Option(help="On the latents of relu and jumprelu.")] = 1.0,
    k: Annotated[int | None, typer.Option(help="Latents that topk keeps.")] = None,
    steps: Annotated[int, typer.Option(help="Of each training.")] = 4000,
    batch_size: Annotated[int, typer.Option(help="Rows a step.")] = 512,
    seeds: Annotated[str, typer.Option(help="Of the trainings, each of every size.")] = "0,1",
    test_share: _Share = 0.2,
    split_seed: _SplitSeed = 0,
    as_json: _Json = False,
) -> None:
    """Train dictionaries of several sizes and seeds, and their twins on noise, and audit them.

    Stopped by whatever, the same command goes on.

    Example: tiltmeter anatomy dictionary train acts --site 2.resid_post --sizes 64,128,256 --out dictionaries
    """
    from pydantic import ValidationError

    from tiltmeter import anatomy
    from tiltmeter.cli import _dictionary_tables
    from tiltmeter.cli._terminal import steps as shown
    from tiltmeter.core.dictionaries import DictionaryRecipe
    from tiltmeter.core.errors import SpecError

    if (k is None) != (kind != "topk"):
        raise SpecError("--k goes with --kind topk, which needs it.")
    try:
        recipe = DictionaryRecipe(kind=kind, penalty=penalty, k=k, steps=steps, batch_size=batch_size)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise SpecError(f"{option} is {first['input']}: {first['msg'][0].lower()}{first['msg'][1:]}.") from None
    with shown("dictionary train"):
        opened = anatomy.open_rows(rows, site=site, test_share=test_share, seed=split_seed)
    with _dictionary_tables.training() as tell:
        family = anatomy.train_family(
            opened.rows,
            _numbers("--sizes", sizes),
            recipe=recipe,
            out=out,
            seeds=_numbers("--seeds", seeds),
            site=opened.site,
            progress=tell,
        )
    found = anatomy.audit_dictionaries(family.dictionaries, opened.rows, trained_on_noise=family.on_noise)
    _shown(found, out, as_json=as_json)


@dictionary_app.command()
def audit(
    dictionaries: Annotated[
        list[Path],
        typer.Argument(help="Folders of tiltmeter, SAELens or dictionary_learning, or folders that hold several."),
    ],
    rows: Annotated[Path, typer.Option(help="A store as tiltmeter collect writes it, or a .npy file of rows.")],
    site: _SiteOption = None,
    test_share: _Share = 0.2,
    split_seed: _SplitSeed = 0,
    out: Annotated[Path | None, typer.Option(help="A folder for the page, audit.html, and the record.")] = None,
    as_json: _Json = False,
) -> None:
    """Judge dictionaries that were trained here or elsewhere on rows, each figure beside its nulls.

    Example: tiltmeter anatomy dictionary audit some_sae another_sae --rows acts --site 2.resid_post --out audit
    """
    from tiltmeter import anatomy
    from tiltmeter.cli._terminal import steps

    with steps("dictionary audit") as announce:
        family = anatomy.read_dictionaries(dictionaries)
        opened = anatomy.open_rows(rows, site=site, test_share=test_share, seed=split_seed)
        announce(f"judging {len(family.dictionaries)} dictionaries")
        found = anatomy.audit_dictionaries(family.dictionaries, opened.rows, trained_on_noise=family.on_noise)
    _shown(found, out, as_json=as_json)


def _shown(found: DictionaryAudit, out: Path | None, *, as_json: bool) -> None:
    """Keep the record and its page in the folder, if there is one, and print either the record or tables."""
    from tiltmeter.cli import _dictionary_tables
    from tiltmeter.core.files import write_json
    from tiltmeter.report import write_dictionaries

    if out is not None:
        write_json(out / "audit.json", found.model_dump(mode="json"))
        write_dictionaries(out)
    if as_json:
        print(found.model_dump_json(indent=2))
        return
    _dictionary_tables.audit(found)
    if out is not None:
        print(f"\nPage: {(out / 'audit.html').resolve()}")


def _numbers(option: str, listed: str) -> list[int]:
    from tiltmeter.core.errors import SpecError

    try:
        return [int(one) for one in listed.split(",")]
    except ValueError:
        raise SpecError(
            f"{option} is {listed!r}; give whole numbers with commas between them, such as 64,128."
        ) from None
