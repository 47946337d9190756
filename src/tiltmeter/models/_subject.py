"""A Hugging Face model whose sites have names."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from functools import cached_property
from typing import Any, Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from tiltmeter.core.errors import ModelError, SpecError
from tiltmeter.core.site import Site
from tiltmeter.models._capture import ReachedDeepestError, Reduce, hooked
from tiltmeter.models._family import Family, family_of
from tiltmeter.models._fingerprint import Fingerprint, fingerprint_of

Sites = Literal["all"] | Sequence[str | Site]


class SubjectModel:
    """A model and its tokenizer, untouched, with the site table of its family.

    Made by :func:`tiltmeter.models.load` or :func:`tiltmeter.models.bind`.

    Parameters
    ----------
    model, tokenizer
        As ``transformers`` made them.
    family
        The layout of its modules.
    name, revision
        Where it came from, for the record.

    Notes
    -----
    In a pre-norm family (Llama) ``resid_mid = resid_pre + attn_out`` and ``resid_post = resid_mid + mlp_out``. In a
    post-norm family (BERT) ``resid_mid = norm(resid_pre + attn_out)`` and ``resid_post = norm(resid_mid + mlp_out)``;
    there ``attn_out`` and ``mlp_out`` are what the sublayer adds, before that norm. ``resid_pre`` of block 0 is the
    embedding; ``resid_post`` of the last block is the value before the final norm, where there is one.
    """

    def __init__(self, model: Any, tokenizer: Any, *, family: Family, name: str, revision: str | None = None) -> None:  # noqa: ANN401
        self.model = model
        self.tokenizer = tokenizer
        self.family = family
        self.name = name
        self.revision = revision

    @property
    def n_layers(self) -> int:
        """Number of blocks."""
        return len(self._blocks)

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return int(self.model.config.hidden_size)

    @property
    def context(self) -> int:
        """Most tokens that a text may have: the smaller of what the model and its tokenizer state."""
        # tokenizers that state no limit hold 1e30
        stated = int(self.tokenizer.model_max_length)
        return min(int(self.model.config.max_position_embeddings), stated) if stated > 0 else stated

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """What the model is, by hash; computed when first asked for."""
        return fingerprint_of(self.model, self.tokenizer, name=self.name, revision=self.revision)

    def width(self, site: Site) -> int:
        """Return the number of features at a site; SpecError if the model lacks it."""
        self.resolve_sites([site])
        return self.d_model

    def resolve_sites(self, sites: Sites) -> tuple[Site, ...]:
        """Bind sites to this model: parsed, negative layers resolved, repetitions dropped, in the order given.

        ``"all"`` stands for the embedding (``0.resid_pre``) and ``resid_post`` of every block.

        Raises
        ------
        SpecError
            If a block or a point is absent (the message lists those present), or no site is named.
        """
        if isinstance(sites, str):
            if sites != "all":
                raise SpecError(f'sites is the string {sites!r}; use "all" or a list of sites, as in [{sites!r}].')
            return (Site(0, "resid_pre"), *(Site(layer, "resid_post") for layer in range(self.n_layers)))
        parsed = [Site.parse(site) if isinstance(site, str) else site for site in sites]
        if not parsed:
            raise SpecError('sites is empty; name at least one, or "all".')
        for site in parsed:
            if site.point not in self.family.points:
                present = ", ".join(self.family.points)
                raise SpecError(f"Site {site} is absent from {self.family.name} models; points present are {present}.")
        return tuple(dict.fromkeys(site.resolve(self.n_layers) for site in parsed))

    def capture(self, sites: Sites) -> AbstractContextManager[dict[Site, Tensor]]:
        """Record what the sites see in forwards that the caller runs inside the ``with``.

        Nothing is changed: outputs inside and after are those of the bare model, bit for bit, and when the block ends,
        even by an exception, no hook remains. The dictionary holds the tensors of the latest forward themselves, shape
        (b, t, d), not copies.

        Parameters
        ----------
        sites
            ``"all"`` or a list; see :meth:`resolve_sites`.

        See Also
        --------
        read : Runs the forward itself, and no further than needed.
        """
        return hooked(self._blocks, self.resolve_sites(sites), family=self.family)

    @torch.inference_mode()
    def read(
        self,
        tokens: Int[Tensor, "b t"],
        *,
        sites: Sites,
        mask: Bool[Tensor, "b t"] | None = None,
        reduce: Reduce | None = None,
    ) -> dict[Site, Tensor]:
        """Run the model as far as the deepest of ``sites`` and return what each of them sees.

        Later blocks, the final norm and the logits are never computed, and no gradient is kept.

        Parameters
        ----------
        tokens
            Token identifiers, on any device.
        sites
            ``"all"`` or a list; see :meth:`resolve_sites`.
        mask
            False at padding, which may be on either side; None if there is none.
        reduce
            Applied to each tensor, shape (b, t, d), as soon as it is seen, so that only its result is kept.
        """
        tokens = tokens.to(self.model.device)
        wanted = self.resolve_sites(sites)
        if mask is None:
            positions = torch.arange(tokens.shape[1], device=tokens.device)[None]
        else:
            mask = mask.to(self.model.device)
            # counted from the first real token, so that padding on the left shifts nothing
            positions = (mask.long().cumsum(1) - 1).clamp_min(0)
        with (
            hooked(self._blocks, wanted, family=self.family, reduce=reduce, stop=True) as seen,
            suppress(ReachedDeepestError),
        ):
            self.model.base_model(
                input_ids=tokens,
                attention_mask=None if mask is None else mask.long(),
                position_ids=positions,
                use_cache=False,
            )
        return {site: seen[site] for site in wanted}

    @property
    def _blocks(self) -> nn.ModuleList:
        blocks = self.model.base_model.get_submodule(self.family.blocks)
        if not isinstance(blocks, nn.ModuleList):
            raise ModelError(f"{self.name} has no list of blocks at {self.family.blocks}; is it wrapped or quantized?")
        return blocks


def bind(model: Any, tokenizer: Any, *, name: str, revision: str | None = None) -> SubjectModel:  # noqa: ANN401
    """Name the sites of a model that is in memory already.

    Parameters
    ----------
    model
        A ``transformers`` model, in evaluation mode.
    tokenizer
        Its ``transformers`` tokenizer.
    name, revision
        Where it came from, for the record.

    Raises
    ------
    ModelError
        If the family is unknown, or the model is in training mode (dropout would make readings random).

    Examples
    --------
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(
    ...     vocab_size=9, hidden_size=8, intermediate_size=8, num_hidden_layers=2, num_attention_heads=2
    ... )
    >>> subject = bind(LlamaForCausalLM(config).eval(), None, name="tiny")
    >>> [str(site) for site in subject.resolve_sites("all")]
    ['0.resid_pre', '0.resid_post', '1.resid_post']
    """
    if model.training:
        raise ModelError(f"The model {name} is in training mode, where dropout changes readings; call model.eval().")
    return SubjectModel(model, tokenizer, family=family_of(str(model.config.model_type)), name=name, revision=revision)
