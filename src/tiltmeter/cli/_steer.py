"""``tiltmeter steer``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def steer(
    model: Annotated[str, typer.Argument(help="A model folder, a hub id, or organism:NAME.")],
    vectors: Annotated[
        Path,
        typer.Argument(
            help="A saved direction (its folder, or RUN/probes/SITE/METHOD), a .safetensors file, or a .gguf file."
        ),
    ],
    prompt: Annotated[list[str] | None, typer.Option(help="What the model goes on from; may be repeated.")] = None,
    prompts: Annotated[
        str | None, typer.Option(help="The same from JSONL, CSV, Parquet, hf:NAME:SPLIT, or organism:NAME/SET.")
    ] = None,
    strengths: Annotated[
        str, typer.Option(help="A list; negative for less of the concept. The bare model is always there.")
    ] = "-0.5,-0.25,0.25,0.5",
    units: Annotated[
        Literal["norm", "activation", "kl"],
        typer.Option(
            help="norm: mean activation norms at the site. activation: of the activations (of a vector file: times "
            "what it holds). kl: nats a token on the neutral texts."
        ),
    ] = "norm",
    neutral: Annotated[
        str | None,
        typer.Option(help="Texts that should not change, as for --prompts: shows what each strength costs."),
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(help="Most tokens to generate a prompt.")] = 40,
    seed: Annotated[int, typer.Option(help="Of the random direction that stands beside.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="A new folder for the page, steering.html, and the record, steering.json.")
    ] = None,
    dtype: Annotated[Literal["float32", "bfloat16", "float16"], typer.Option(help="Of the weights.")] = "float32",
    device: Annotated[str, typer.Option(help="As PyTorch names it, such as cuda:0.")] = "cpu",
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub model.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record instead of tables.")] = False,
) -> None:
    """Let a model go on from prompts with and without steering, over a range of strengths, side by side.

    Beside each stands what one random direction of the same length does.

    Example: tiltmeter steer organism:facts runs/demo/probes/2.resid_post/lda --prompt "<s> Bara" --out steered
    """
    from contextlib import nullcontext

    from tiltmeter import interventions, studies
    from tiltmeter.cli._terminal import steps
    from tiltmeter.core.errors import SpecError
    from tiltmeter.core.files import new_folder, write_json
    from tiltmeter.report import write_steering

    if (prompt is None) == (prompts is None):
        raise SpecError("Give prompts by --prompt, or a file of them by --prompts.")
    with nullcontext() if out is None else new_folder(out) as folder, steps("steer") as announce:
        from tiltmeter.cli._print import side_by_side

        ways = interventions.Ways(_numbers(strengths), units, max_new_tokens)
        along = interventions.open_steering(vectors)
        given = prompt if prompts is None else studies.open_texts(prompts, distribution="prompts")
        quiet = None if neutral is None else studies.open_texts(neutral, distribution=neutral)
        announce("loading the model")
        asked = studies.ModelSpec(path=model, revision=revision, dtype=dtype, device=device)
        subject = studies.open_model(asked, announce=announce)
        announce(f"generating at {len(ways.strengths)} strengths")
        found = interventions.side_by_side(
            subject, given or [], direction=along, ways=ways, neutral=quiet, random_state=seed
        )
        if folder is not None:
            write_json(folder / "steering.json", found.model_dump(mode="json"))
            write_steering(folder)
    if as_json:
        print(found.model_dump_json(indent=2))
        return
    side_by_side(found)
    if out is not None:
        print(f"\nPage: {(out / 'steering.html').resolve()}")


def _numbers(text: str) -> tuple[float, ...]:
    from tiltmeter.core.errors import SpecError

    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise SpecError(f"--strengths {text!r} is not a list of numbers such as -0.5,0.5.") from None
