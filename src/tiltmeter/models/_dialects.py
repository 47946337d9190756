"""Other libraries' names for a place in a model, turned into sites by one explicit function."""

from __future__ import annotations

import re
from typing import Literal, get_args

from tiltmeter.core.errors import SpecError
from tiltmeter.core.site import Point, Site
from tiltmeter.models._subject import SubjectModel

Dialect = Literal["transformer_lens", "layers", "hidden_states", "vllm"]

_HOOK = re.compile(r"blocks\.([0-9]+)\.([a-z_.]+)")
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
# Where the stream itself is normed, its releases disagree about these: attention's output and the sums are taken before
# the norm in some, after it in others.
_HOOKS_BY_RELEASE = ("hook_attn_out", "hook_resid_mid", "hook_resid_post")
_LAYER = re.compile(r"layers\.([0-9]+)")


def site_from(name: str | int, *, dialect: Dialect, subject: SubjectModel) -> Site:
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
    subject
        The model that the name is about: which place it is depends on the number of blocks and on the family.

    Returns
    -------
    Site
        One that the model has, its layer counted from 0.

    Raises
    ------
    SpecError
        If the name is not of the dialect, the model has no such block or point, the place is after the final norm, or
        the name does not say which of two places is meant.

    Notes
    -----
    Index 0 of ``hidden_states`` is the embedding, ``0.resid_pre``; index i is ``resid_post`` of block i - 1. The last
    index is refused but for BERT and RoBERTa models: in all others it is the value *after* the final norm (in post-norm
    OPT models a projection), which is no site. For ``resid_post`` of the last block name that site itself.

    vLLM numbers as Hugging Face does, from the front only, but for the last index: there it is the value *before* the
    final norm, ``resid_post`` of the last block. In its files the second axis of ``hidden_states`` (tokens, layers,
    features) holds the layers that were asked for: give the layer, not its place on that axis, or let
    :func:`tiltmeter.activations.read_vllm_states` find it.

    The points are those of the model as Hugging Face has it: TransformerLens's are the same values only if it was told
    not to fold norms or centre weights, and for ``z`` it keeps a head axis where Tiltmeter sets the heads side by side.
    In post-norm models (BERT, RoBERTa, post-norm OPT) ``hook_attn_out``, ``hook_resid_mid`` and ``hook_resid_post`` are
    before a norm in some of its releases and after it in others, and are refused; ``hook_out`` is after it.

    Examples
    --------
    >>> from tiltmeter.models import site_from, tiny
    >>> subject = tiny("Rome is old")
    >>> str(site_from("blocks.1.hook_resid_post", dialect="transformer_lens", subject=subject))
    '1.resid_post'
    >>> str(site_from(1, dialect="hidden_states", subject=subject))
    '0.resid_post'
    >>> str(site_from(0, dialect="vllm", subject=subject)), str(site_from(2, dialect="vllm", subject=subject))
    ('0.resid_pre', '1.resid_post')
    >>> site_from(-1, dialect="hidden_states", subject=subject)
    Traceback (most recent call last):
    tiltmeter.core.errors.SpecError: Hidden state 2 of 2 blocks is after the final norm or projection, which no site \
is; name 1.resid_post for the value before it.
    """
    if dialect not in get_args(Dialect):
        raise SpecError(f"dialect is {dialect!r}; use one of {', '.join(get_args(Dialect))}.")
    match dialect:
        case "transformer_lens":
            site = _from_hook(name, subject=subject)
        case "layers":
            site = _from_layer(name)
        case _:
            site = _from_index(name, subject=subject, dialect=dialect)
    (resolved,) = subject.resolve_sites([site])
    return resolved


def _from_layer(name: str | int) -> Site:
    match = _LAYER.fullmatch(name) if isinstance(name, str) else None
    if match is None:
        raise SpecError(f"{name!r} is no name of the dialect layers; write layers.6 for the output of block 6.")
    return Site(int(match[1]), "resid_post")


def _from_hook(name: str | int, *, subject: SubjectModel) -> Site:
    match = _HOOK.fullmatch(name) if isinstance(name, str) else None
    if match is None or match[2] not in _HOOKS:
        raise SpecError(
            f"{name!r} is no TransformerLens name that is a site; use blocks.6. and one of {', '.join(_HOOKS)}."
        )
    if subject.family.stream == "normed" and match[2] in _HOOKS_BY_RELEASE:
        raise SpecError(
            f"{name!r} is before a norm in some releases of TransformerLens and after it in others for post-norm "
            f"models such as {subject.family.name}; name the site itself."
        )
    return Site(int(match[1]), _HOOKS[match[2]])


def _from_index(name: str | int, *, subject: SubjectModel, dialect: Literal["hidden_states", "vllm"]) -> Site:
    n_layers = subject.n_layers
    if not isinstance(name, int) or isinstance(name, bool):
        raise SpecError(f"{name!r} is no index of a hidden state; give a whole number, 0 being the embedding.")
    index = name + n_layers + 1 if name < 0 and dialect == "hidden_states" else name
    if not 0 <= index <= n_layers:
        raise SpecError(
            f"Hidden state {name} was asked for, but {n_layers} blocks have {n_layers + 1} (0 to {n_layers})."
        )
    # vLLM takes the last one before the norm, and nothing follows the last block of a post-norm encoder
    is_normed = dialect == "hidden_states" and (subject.family.kind, subject.family.stream) != ("encoder", "normed")
    if index == n_layers and is_normed:
        raise SpecError(
            f"Hidden state {index} of {n_layers} blocks is after the final norm or projection, which no site is; "
            f"name {n_layers - 1}.resid_post for the value before it."
        )
    return Site(0, "resid_pre") if index == 0 else Site(index - 1, "resid_post")
