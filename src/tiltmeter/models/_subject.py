"""A Hugging Face model whose sites have names."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from tiltmeter.core.errors import ModelError, SpecError
from tiltmeter.core.records import Record
from tiltmeter.core.site import Site
from tiltmeter.models._adapters import without_wrapper
from tiltmeter.models._capture import ReachedDeepestError, Reduce, hooked
from tiltmeter.models._config import first_position, is_causal, most_tokens
from tiltmeter.models._family import Attention, Family
from tiltmeter.models._fingerprint import Fingerprint, FingerprintCache
from tiltmeter.models._placement import comes_whole, input_device, is_dispatched
from tiltmeter.models._readable import check_running, check_uncompiled, readable_family

Sites = Literal["all"] | Sequence[str | Site]
DType = Literal["float32", "bfloat16", "float16"]


class LoadedFrom(Record):
    """What to give :func:`tiltmeter.models.load` to load the same model again; ``revision`` is a commit if known."""

    path_or_name: str
    revision: str | None
    dtype: DType
    attention: Attention


class SubjectModel:
    """A model and its tokenizer, untouched, with the site table of its family.

    Made by :func:`tiltmeter.models.load` or :func:`tiltmeter.models.bind`.

    Parameters
    ----------
    model, tokenizer
        As ``transformers`` made them; the model may be one that ``accelerate`` dispatched or offloaded, or one with
        LoRA adapters.
    family
        The layout of its modules.
    name, revision
        Where it came from, for the record.
    loaded_from
        How to load it again; None if it was bound in memory.

    Attributes
    ----------
    is_causal
        No token sees a later one, so that padding on the right needs no mask. False for encoders, and for decoders
        whose configuration has ``use_bidirectional_attention``, or ``is_causal`` False.

    Notes
    -----
    ``attn_out`` and ``mlp_out`` are what a sublayer adds to the residual stream: in the families that norm it first
    (Gemma 2, Gemma 3, OLMo 2), after that norm. There and in pre-norm families (Llama)
    ``resid_mid = resid_pre + attn_out`` and ``resid_post = resid_mid + mlp_out``. In parallel families (GPT-J, most
    GPT-NeoX and Falcon models) ``resid_post = resid_pre + attn_out + mlp_out`` and ``resid_mid`` is absent. In
    post-norm families (BERT, RoBERTa) ``resid_mid = norm(resid_pre + attn_out)`` and
    ``resid_post = norm(resid_mid + mlp_out)``.

    ``z`` is what enters attention's output projection, the heads side by side (n_heads * d_head), or d_head values of
    one head; ``mlp_post`` is what enters the MLP's down-projection, absent from mixtures of experts. ``resid_pre`` of
    block 0 is the embedding as the first block gets it (with positions, where they are added, and scaled in Gemma);
    ``resid_post`` of the last block is the value before the final norm, where there is one.

    In RoBERTa a padding token inside a text has a position like any other; Hugging Face, unless it is given positions,
    takes each such token for padding and moves up those after it.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401
        tokenizer: Any,  # noqa: ANN401
        *,
        family: Family,
        name: str,
        revision: str | None = None,
        loaded_from: LoadedFrom | None = None,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.family = family
        self.name = name
        self.revision = revision
        self.loaded_from = loaded_from
        self.is_causal = is_causal(family, self._config)
        self._fingerprints = FingerprintCache()

    def __reduce__(self) -> tuple[partial[SubjectModel], tuple[Any, Any]]:
        # a copy has weights of its own, and nothing is known of them yet
        again = partial(
            SubjectModel,
            family=self.family,
            name=self.name,
            revision=self.revision,
            loaded_from=self.loaded_from,
        )
        return again, (self.model, self.tokenizer)

    @property
    def n_layers(self) -> int:
        """Number of blocks."""
        return len(self._blocks)

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return int(self._config.hidden_size)

    @property
    def n_heads(self) -> int:
        """Number of attention heads (of queries) of a block."""
        return int(self._config.num_attention_heads)

    @property
    def context(self) -> int:
        """Most tokens that a text may have: the smaller of what the model and its tokenizer state.

        Of a model with longrope (Phi-3 with a long context) it is the length that it was first trained on
        (``original_max_position_embeddings``): once a text is longer, other rotary factors are taken for all that share
        its batch, and a text's activations would depend on them.
        """
        # tokenizers that state no limit hold 1e30
        stated, own = int(self.tokenizer.model_max_length), most_tokens(self.family, self._config)
        return stated if own is None else min(own, stated)

    @property
    def input_device(self) -> torch.device:
        """Where token identifiers go; ModelError if the weights have no values."""
        return input_device(self._stack, around=self._around_blocks)

    @property
    def fingerprint(self) -> Fingerprint:
        """What the model is, by hash; computed when first asked for, and again when its weights were changed.

        It is computed each time while there are adapters, whose merging leaves no trace but in the values. Of other
        weights, a change through ``.data`` alone goes unnoticed: bind the model again after one.
        """
        return self._fingerprints.get(
            without_wrapper(self.model), self.tokenizer, name=self.name, revision=self.revision, context=self.context
        )

    def width(self, site: Site) -> int:
        """Return the number of features at a site; SpecError if the model lacks it."""
        (site,) = self.resolve_sites([site])
        if site.point not in ("z", "mlp_post"):
            return self.d_model
        projection = self._blocks[site.layer].get_submodule(self.family.points[site.point].module)
        width = _width_entering(projection)
        return width if site.head is None else width // self.n_heads

    def resolve_sites(self, sites: Sites) -> tuple[Site, ...]:
        """Bind sites to this model: parsed, negative layers resolved, repetitions dropped, in the order given.

        ``"all"`` stands for the embedding (``0.resid_pre``) and ``resid_post`` of every block.

        Raises
        ------
        SpecError
            If a block, point or head is absent (the message lists those present), or no site is named.
        """
        if isinstance(sites, str):
            if sites != "all":
                raise SpecError(f'sites is the string {sites!r}; use "all" or a list of sites, as in [{sites!r}].')
            return (Site(0, "resid_pre"), *(Site(layer, "resid_post") for layer in range(self.n_layers)))
        parsed = [site if isinstance(site, Site) else Site.parse(site) for site in sites]
        if not parsed:
            raise SpecError('sites is empty; name at least one, or "all".')
        for site in parsed:
            if site.point not in self.family.points:
                present = ", ".join(self.family.points)
                raise SpecError(f"Site {site} is absent from {self.family.name} models; points present are {present}.")
            if site.head is not None and not 0 <= site.head < self.n_heads:
                raise SpecError(
                    f"Site {site} asks for head {site.head}, but a block has {self.n_heads} (0 to {self.n_heads - 1})."
                )
        return tuple(dict.fromkeys(site.resolve(self.n_layers) for site in parsed))

    def capture(self, sites: Sites) -> AbstractContextManager[dict[Site, Tensor]]:
        """Record what the sites see in forwards of the model that the caller runs inside the ``with``.

        Nothing is changed: outputs inside and after are those of the bare model, bit for bit, and when the block ends,
        even by an exception, no hook remains. The dictionary holds the tensors of the latest forward, shape (b, t, d),
        themselves and not copies, but for those that the model itself overwrites.

        Parameters
        ----------
        sites
            ``"all"`` or a list; see :meth:`resolve_sites`.

        Raises
        ------
        SpecError
            If a site is absent.
        ModelError
            If the model was compiled after it was bound.

        See Also
        --------
        read : Runs the forward itself, and no further than needed.
        """
        check_uncompiled(self.model, name=self.name)
        return hooked(self._blocks, self.resolve_sites(sites), family=self.family, n_heads=self.n_heads)

    def read(
        self,
        tokens: Int[Tensor, "b t"],
        *,
        sites: Sites,
        mask: Bool[Tensor, "b t"] | None = None,
        reduce: Reduce | None = None,
        needed: Bool[Tensor, "b t"] | None = None,
    ) -> dict[Site, Tensor]:
        """Run the model as far as the deepest of ``sites`` and return what each of them sees.

        Later blocks, the final norm and the logits are never computed, and no gradient is kept. A block whose weights
        ``accelerate`` looks after is run to its end, so that they are put away again; where it brings in those of all
        blocks at once (``preload_module_classes``), so are all.

        Parameters
        ----------
        tokens
            Token identifiers, on any device.
        sites
            ``"all"`` or a list; see :meth:`resolve_sites`.
        mask
            False at padding, which may be on either side; on any device. None if there is none.
        reduce
            Applied to each tensor, shape (b, t, d), as soon as it is seen and on the device where it is, so that only
            its result is kept.
        needed
            The positions of which ``reduce`` makes use. The MLP of the deepest block, which computes each position by
            itself, is run for them alone, and what the sites show elsewhere means nothing. None for all of them.

        Raises
        ------
        SpecError
            If a site is absent.
        ModelError
            If the model was put into training mode or compiled after it was bound, has no values, or never reached a
            site.
        """
        wanted, stack, blocks = self.resolve_sites(sites), self._stack, self._blocks
        check_running(stack, name=self.name)
        # the forward must not be left before accelerate has put away what it brought in for all of it
        whole = comes_whole(self._around_blocks)
        # what accelerate makes of weights in inference mode could never be trained again
        gradless = torch.no_grad() if whole or is_dispatched(blocks[0]) else torch.inference_mode()
        with (
            gradless,
            hooked(
                blocks,
                wanted,
                family=self.family,
                n_heads=self.n_heads,
                reduce=reduce,
                stop=not whole,
                needed=None if whole else needed,
            ) as seen,
            suppress(ReachedDeepestError),
        ):
            stack(**self._inputs(tokens, mask), use_cache=False)
        for site in wanted:
            if site not in seen:
                raise ModelError(
                    f"Site {site} of {self.name} was never reached by a forward; has a module's forward been replaced?"
                )
        return {site: seen[site] for site in wanted}

    def _inputs(self, tokens: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        device = self.input_device
        inputs = {"input_ids": tokens.to(device)}
        if mask is not None:
            inputs["attention_mask"] = mask.to(device).long()
        if self.family.positions == "relative":
            return inputs
        if mask is None:
            positions = torch.arange(tokens.shape[1], device=device)[None]
        else:
            # counted from the first real token, so that padding on the left shifts nothing
            positions = (inputs["attention_mask"].cumsum(1) - 1).clamp_min(0)
        return {**inputs, "position_ids": positions + first_position(self.family, self._config)}

    @property
    def _config(self) -> Any:  # noqa: ANN401
        return self.model.config.get_text_config()

    @property
    def _stack(self) -> nn.Module:
        base: nn.Module = without_wrapper(self.model).base_model
        return base.get_submodule(self.family.stack)

    @property
    def _around_blocks(self) -> list[nn.Module]:
        """The modules that the list of blocks is in, from the stack inwards."""
        path = self.family.blocks.split(".")
        return [self._stack.get_submodule(".".join(path[:depth])) for depth in range(len(path))]

    @property
    def _blocks(self) -> nn.ModuleList:
        blocks = self._stack.get_submodule(self.family.blocks)
        if not isinstance(blocks, nn.ModuleList):
            raise ModelError(f"{self.name} has no list of blocks at {self.family.blocks}; is it wrapped?")
        return blocks


def _width_entering(projection: Any) -> int:  # noqa: ANN401
    # GPT-2's own kind of layer states none, and keeps its weight the other way round
    width = getattr(projection, "in_features", None)
    return int(projection.weight.shape[0] if width is None else width)


def bind(model: Any, tokenizer: Any, *, name: str, revision: str | None = None) -> SubjectModel:  # noqa: ANN401
    """Name the sites of a model that is in memory already.

    Parameters
    ----------
    model
        A ``transformers`` model, in evaluation mode; or a ``PeftModel`` with LoRA adapters around one.
    tokenizer
        Its ``transformers`` tokenizer.
    name, revision
        Where it came from, for the record.

    Raises
    ------
    ModelError
        If the family is unknown, the model is in training mode (dropout would make readings random), compiled (hooks
        would not be run), wrapped (as by ``DataParallel``), or has quantized weights or an adapter of a kind other than
        LoRA; or if there is no tokenizer.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> [str(site) for site in subject.resolve_sites("all")]
    ['0.resid_pre', '0.resid_post', '1.resid_post']
    """
    family = readable_family(model, name=name)
    if tokenizer is None:
        raise ModelError(f"The model {name} was given without a tokenizer; bind it with its own.")
    return SubjectModel(model, tokenizer, family=family, name=name, revision=revision)
