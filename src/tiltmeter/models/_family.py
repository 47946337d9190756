"""What a family's row says: where its blocks are, and where in a block each point is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from tiltmeter.core.site import Point

Attention = Literal["sdpa", "eager"]
NormKind = Literal["rms", "rms_plus_one", "layer"]
Settings = tuple[tuple[str, object], ...]


@dataclass(frozen=True, slots=True)
class Tap:
    """The tensor that enters or leaves a module.

    Parameters
    ----------
    module
        Path from the block; "" is the block itself.
    side
        Whether the tensor enters the module (its first argument) or leaves it (the first of several results).
    flat
        The block works on rows there, shape (b * t, width); they are given back as (b, t, width).
    overwritten
        The block writes other values into the tensor later, so that it is copied when it is seen.
    bypassed
        What enters the module is also added to what the block makes of it: an edit must reach the block's result, too.
    """

    module: str
    side: Literal["input", "output"]
    flat: bool = False
    overwritten: bool = False
    bypassed: bool = False


Points = Mapping[Point, Tap]


@dataclass(frozen=True, slots=True)
class FinalNorm:
    """The norm between the last block and the unembedding.

    Parameters
    ----------
    module
        Path from the stack. A model whose configuration leaves it out has None there.
    kind
        What it computes of x, with weights w and, for a ``"layer"`` norm, biases: ``"rms"``: w x / rms(x);
        ``"rms_plus_one"``: (1 + w) x / rms(x); ``"layer"``: x is centred first, then scaled by w / its deviation.
    """

    module: str
    kind: NormKind


@dataclass(frozen=True, slots=True)
class Family:
    """One module layout.

    Parameters
    ----------
    name
        How messages call it.
    model_types
        The ``model_type`` of the Hugging Face configurations that have this layout.
    kind
        ``"decoder"`` (each token sees those before it, unless the configuration says otherwise) or ``"encoder"`` (each
        token sees all).
    blocks
        Path of the list of blocks, from ``stack``.
    points
        Where each point is seen, in the order in which a forward reaches them.
    final_norm
        The norm between the last block and the unembedding, None if there is none.
    stack
        Path, from the base model (without head), of the module that turns tokens into the last hidden state; "" is the
        base model itself.
    when
        Settings that the configuration must have, by name, where some configurations of the model type have another
        layout.
    positions
        ``"from_zero"``: the stack is given positions, 0 at the first token. ``"after_padding"``: they begin at the
        padding token's identifier + 1, and the context is that much shorter. ``"relative"``: it is given none, and has
        no limit.
    attention
        The attention kernels that ``transformers`` has for it, the usual one first.
    mlp
        Path, from a block, of the module that turns each position by itself, whatever the others hold, into what the
        block adds after attention (before a norm, if one follows); None where no one module does.
    stream
        ``"sum"``: a sublayer's result is added to the residual stream, and that is all. ``"normed"``: the sum is normed
        after each addition (post-norm).
    project_out
        Path, from the stack, of the map from the last hidden state's width to the unembedding's, which a model without
        that need has None for; None where no model of the family has one.
    gives_tuple
        A block's result is a tuple that begins with the residual stream, and not the stream alone.
    """

    name: str
    model_types: tuple[str, ...]
    kind: Literal["decoder", "encoder"]
    blocks: str
    points: Points
    final_norm: FinalNorm | None
    stack: str = ""
    when: Settings = ()
    positions: Literal["from_zero", "after_padding", "relative"] = "from_zero"
    attention: tuple[Attention, ...] = ("sdpa", "eager")
    mlp: str | None = "mlp"
    stream: Literal["sum", "normed"] = "sum"
    project_out: str | None = None
    gives_tuple: bool = False

    def __reduce__(self) -> tuple[type[Family], tuple[object, ...]]:
        # points of the table are a view that cannot be changed, which cannot be pickled
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Family, tuple({**values, "points": dict(self.points)}.values())
