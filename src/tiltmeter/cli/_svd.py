"""``tiltmeter anatomy svd`` and ``locate``: what directions of the weights say, and where in the weights words are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from tiltmeter.core.weights import MatrixName


# what both commands take
_Model = Annotated[str, typer.Argument(help="A model folder, a hub id, or organism:NAME.")]
_Matrices = Annotated[
    list[str] | None,
    typer.Option(help="ov, qk, q, k, mlp_in, mlp_gate or mlp_out; may be repeated. Default: ov, mlp_in, mlp_out."),
]
_Layers = Annotated[str | None, typer.Option(help="Blocks, such as 0,5,-1. Default: all.")]
_FoldNorm = Annotated[bool, typer.Option(help="Put the gain and centring of the norms into weights and unembedding.")]
_DType = Annotated[Literal["float32", "bfloat16", "float16"], typer.Option(help="Of the weights.")]
_Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub model.")]


def svd(
    model: _Model,
    out: Annotated[
        Path | None, typer.Option(help="A new folder for the page, weights.html, and the record, weights.json.")
    ] = None,
    matrix: _Matrices = None,
    layers: _Layers = None,
    through: Annotated[
        Literal["unembedding", "embedding"], typer.Option(help="Rows that turn directions into tokens.")
    ] = "unembedding",
    fold_norm: _FoldNorm = True,
    encoder: Annotated[
        str | None, typer.Option(help="A sentence encoder that judges lists of tokens: a folder or a hub id.")
    ] = None,
    word_vectors: Annotated[
        Path | None, typer.Option(help="Word vectors that judge lists of tokens, as word2vec or GloVe write text.")
    ] = None,
    n_directions: Annotated[int, typer.Option(min=2, help="The first directions of each matrix.")] = 8,
    n_top: Annotated[int, typer.Option(min=2, help="Tokens at each end of a direction.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Of the random directions and rotations.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record instead of a summary.")] = False,
    dtype: _DType = "float32",
    revision: _Revision = None,
) -> None:
    """List the tokens of each singular direction of the weights, and say whether they mean more than chance.

    Beside them stand random directions, rotations of the singular basis, and rows of the weights without SVD.

    Example: tiltmeter anatomy svd organism:facts --out facts-weights
    """
    from contextlib import nullcontext

    from tiltmeter import anatomy, studies
    from tiltmeter.cli._terminal import steps
    from tiltmeter.core.files import new_folder, write_json
    from tiltmeter.report import write_weights

    chosen, blocks = _matrices(matrix), _blocks(layers)
    with nullcontext() if out is None else new_folder(out) as folder, steps("anatomy svd") as announce:
        from tiltmeter.cli._weight_tables import weights

        announce("loading the model")
        subject = studies.open_model(studies.ModelSpec(path=model, revision=revision, dtype=dtype), announce=announce)
        reader = None if encoder is None else studies.open_model(studies.ModelSpec(path=encoder), announce=announce)
        lens = anatomy.token_lens(subject, through=through, fold_norm=fold_norm)
        judges = anatomy.usual_judges(subject, lens, encoder=reader, word_vectors=word_vectors)
        announce("decomposing, and drawing nulls")
        found = anatomy.weight_anatomy(
            subject,
            lens,
            judges=judges,
            matrices=chosen,
            layers=blocks,
            fold_norm=fold_norm,
            settings=anatomy.CoherenceSettings(n_directions=n_directions, n_top=n_top, seed=seed),
        )
        if folder is not None:
            write_json(folder / "weights.json", found.model_dump(mode="json"))
            write_weights(folder)
    if as_json:
        print(found.model_dump_json(indent=2))
        return
    weights(found)
    if out is not None:
        print(f"\nPage: {(out / 'weights.html').resolve()}")


def locate(
    model: _Model,
    words: Annotated[
        list[str], typer.Argument(help="Tokens of the model, with the space before them where it is theirs.")
    ],
    matrix: _Matrices = None,
    layers: _Layers = None,
    through: Annotated[
        Literal["unembedding", "embedding"], typer.Option(help="Rows whose mean over the words is looked for.")
    ] = "unembedding",
    fold_norm: _FoldNorm = True,
    n_directions: Annotated[int, typer.Option(min=1, help="The first directions of each matrix.")] = 8,
    n_found: Annotated[int, typer.Option(min=1, help="How many of the nearest are shown.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Of the random queries.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    dtype: _DType = "float32",
    revision: _Revision = None,
) -> None:
    """Find the singular directions of the weights that are nearest to the mean of some words.

    Beside each stands how often as many random tokens come as near to any direction.

    Example: tiltmeter anatomy locate organism:facts Redutu Luteri Virebu Vefanu Defiri
    """
    import json

    from tiltmeter import anatomy, studies
    from tiltmeter.cli._terminal import steps

    chosen, blocks = _matrices(matrix), _blocks(layers)
    with steps("anatomy locate") as announce:
        from tiltmeter.cli._weight_tables import located

        announce("loading the model")
        subject = studies.open_model(studies.ModelSpec(path=model, revision=revision, dtype=dtype), announce=announce)
        lens = anatomy.token_lens(subject, through=through, fold_norm=fold_norm)
        announce("decomposing, and drawing random queries")
        found = anatomy.locate(
            words,
            lens,
            svds=[
                svd for name in chosen for svd in anatomy.weight_svds(subject, name, layers=blocks, fold_norm=fold_norm)
            ],
            n_directions=n_directions,
            n_found=n_found,
            seed=seed,
        )
    if as_json:
        print(json.dumps([one._asdict() for one in found], indent=2))
    else:
        located(found)


def _matrices(names: list[str] | None) -> tuple[MatrixName, ...]:
    from typing import get_args

    from tiltmeter.core.errors import SpecError
    from tiltmeter.core.weights import MatrixName

    known: dict[str, MatrixName] = {name: name for name in get_args(MatrixName)}
    if strange := [name for name in names or () if name not in known]:
        raise SpecError(f"--matrix is {strange[0]!r}; use one of {', '.join(known)}.")
    if names and len(set(names)) < len(names):
        raise SpecError(f"--matrix names one of {', '.join(names)} twice; give each once.")
    return tuple(known[name] for name in names or ("ov", "mlp_in", "mlp_out"))


def _blocks(text: str | None) -> tuple[int, ...] | None:
    from tiltmeter.core.errors import SpecError

    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise SpecError(f"--layers {text!r} is not a list of whole numbers such as 0,5,-1.") from None
