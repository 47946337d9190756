"""Other libraries' names for a place in a model, turned into sites by one explicit function."""

from __future__ import annotations

import re
from typing import Literal, get_args

from tiltmeter.core.errors import SpecError
from tiltmeter.core.site import Point, Site

Dialect = Literal["transformer_lens", "layers", "hidden_states", "vllm"]

_HOOK = re.compile(r"blocks\.(\d+)\.([a-z_.]+)")
_HOOKS: dict[str, Point] = {
    "hook_resid_pre": "resid_pre",
    "hook_in": "resid_pre",
    "attn.hook_z": "z",
    "hook_attn_out": "attn_out",
    "hook_resid_mid": "resid_mid",
    "mlp.hook_post": "mlp_post",
    "hook_mlp_out": "mlp_out",
    "hook_resid_post": "resid_post",
    "hook_out": "resid_post",
}
_LAYER = re.compile(r"layers\.(\d+)")


def site_from(name: str | int, *, dialect: Dialect, n_layers: int) -> Site:
    """Turn another library's name for a place into a site.

    Libraries number layers in two ways, one apart, so that a number or a name alone does not say which is meant; hence
    the dialect is always named, and :meth:`tiltmeter.core.Site.parse` takes none of them.

    Parameters
    ----------
    name
        As the other library writes it; see Notes.
    dialect
        ``"transformer_lens"``: ``blocks.6.hook_resid_post``, or ``blocks.6.hook_out`` of its bridge. ``"layers"``:
        ``layers.6`` of sparsify and nnterp, the output of a block. ``"hidden_states"``: an index into Hugging Face's
        ``hidden_states``, which may be negative. ``"vllm"``: the identifier of a layer that vLLM was told to extract.
    n_layers
        Number of blocks of the model.

    Returns
    -------
    Site
        Its layer counted from 0. Whether the model has the point is checked when the site is used.

    Raises
    ------
    SpecError
        If the name is not of the dialect, the model has no such block, or the place is after the final norm.

    Notes
    -----
    Index 0 of ``hidden_states`` is the embedding, ``0.resid_pre``; index i is ``resid_post`` of block i - 1. The last
    index is refused: in all pre-norm models it is the value *after* the final norm, which is no site. For
    ``resid_post`` of the last block name that site itself; in BERT, RoBERTa and post-norm OPT models, where no norm
    follows, the two are the same.

    vLLM numbers as Hugging Face does. In its files the second axis of ``hidden_states`` (tokens, layers, features)
    holds the layers in the order in which they were asked for: give the layer that was asked for, not its place on that
    axis.

    The points are those of the model as Hugging Face has it: TransformerLens's are the same values only if it was told
    not to fold norms or centre weights, and for ``z`` it keeps a head axis where Tiltmeter sets the heads side by side.

    Examples
    --------
    >>> from tiltmeter.models import site_from
    >>> str(site_from("blocks.6.hook_resid_post", dialect="transformer_lens", n_layers=12))
    '6.resid_post'
    >>> str(site_from(6, dialect="hidden_states", n_layers=12))
    '5.resid_post'
    >>> str(site_from(0, dialect="vllm", n_layers=12))
    '0.resid_pre'
    >>> site_from(-1, dialect="hidden_states", n_layers=12)
    Traceback (most recent call last):
    tiltmeter.core.errors.SpecError: Hidden state 12 of 12 blocks is after the final norm, which no site is; name \
11.resid_post for the value before it.
    """
    if dialect not in get_args(Dialect):
        raise SpecError(f"dialect is {dialect!r}; use one of {', '.join(get_args(Dialect))}.")
    if dialect == "transformer_lens":
        return _from_hook(name).resolve(n_layers)
    if dialect == "layers":
        match = _LAYER.fullmatch(name) if isinstance(name, str) else None
        if match is None:
            raise SpecError(f"{name!r} is no name of the dialect layers; write layers.6 for the output of block 6.")
        return Site(int(match[1]), "resid_post").resolve(n_layers)
    return _from_index(name, n_layers=n_layers, negative=dialect == "hidden_states")


def _from_hook(name: str | int) -> Site:
    match = _HOOK.fullmatch(name) if isinstance(name, str) else None
    if match is None or match[2] not in _HOOKS:
        raise SpecError(
            f"{name!r} is no TransformerLens name that is a site; use blocks.6. and one of {', '.join(_HOOKS)}."
        )
    return Site(int(match[1]), _HOOKS[match[2]])


def _from_index(name: str | int, *, n_layers: int, negative: bool) -> Site:
    if not isinstance(name, int) or isinstance(name, bool):
        raise SpecError(f"{name!r} is no index of a hidden state; give a whole number, 0 being the embedding.")
    index = name + n_layers + 1 if name < 0 and negative else name
    if not 0 <= index <= n_layers:
        raise SpecError(
            f"Hidden state {name} was asked for, but {n_layers} blocks have {n_layers + 1} (0 to {n_layers})."
        )
    if index == n_layers:
        raise SpecError(
            f"Hidden state {index} of {n_layers} blocks is after the final norm, which no site is; "
            f"name {n_layers - 1}.resid_post for the value before it."
        )
    return Site(0, "resid_pre") if index == 0 else Site(index - 1, "resid_post")
