"""What of the last residual stream makes a token likelier: rows of the unembedding, back through the final norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tiltmeter.core.errors import ModelError, SpecError
from tiltmeter.models._adapters import without_wrapper
from tiltmeter.models._linear import matrix_of, module_at, norm_gain
from tiltmeter.models._subject import SubjectModel


class Unembedding(NamedTuple):
    """Rows of tokens, shape (k, d_model), float64, and the kind of norm whose gain is in them, None for none."""

    rows: Float[Tensor, "k d"]
    norm: str | None


def unembedding(subject: SubjectModel, tokens: Sequence[int] | None, *, fold_norm: bool) -> Unembedding:
    """Return the rows of W_U of some tokens, in coordinates of the residual stream after the last block.

    They are read from the module that the model itself uses, tied to the embedding or not, adapters included. Where a
    projection stands before it (OPT-350M), they are taken back through that.

    Parameters
    ----------
    subject
        A decoder with its unembedding.
    tokens
        Identifiers, from 0 up to the number of rows; None for all of them.
    fold_norm
        Multiply the rows by the final norm's gain, and centre them where it centres; else they are as the model
        holds them.

    Raises
    ------
    ModelError
        If the model has no unembedding, or its final norm's weight has no values at present.
    SpecError
        If there is no such token.

    Notes
    -----
    The final norm gives g ⊙ (x − mean) / s, with mean = 0 for an RMS norm, so that a logit is w · (g ⊙ (x − mean)) / s:
    but for s, which depends on x, it is linear in x with the coefficients g ⊙ w, centred. What s does to it, and a cap
    on the logits (Gemma 2), are not in the rows.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> found = unembedding(subject, [2, 3], fold_norm=True)
    >>> tuple(found.rows.shape), found.norm
    ((2, 8), 'rms')
    """
    head = output_embedding(subject)
    n_rows = int(head.out_features)
    if strange := [token for token in tokens or () if not 0 <= token < n_rows]:
        raise SpecError(f"Token {strange[0]} is not among those of {subject.name}, which are 0 to {n_rows - 1}.")
    stack, family = subject._stack, subject.family
    projection = None if family.project_out is None else module_at(stack, family.project_out)
    if tokens is None:
        rows = _all_rows(head, projection=projection, name=subject.name)
    else:
        rows = _rows(head, tokens, projection=projection, width=subject.d_model, device=subject.input_device)
    rows = rows.double().cpu()
    norm = None if family.final_norm is None else module_at(stack, family.final_norm.module)
    if not fold_norm or family.final_norm is None or norm is None:
        return Unembedding(rows, None)
    rows = rows * norm_gain(norm, kind=family.final_norm.kind, name=subject.name)
    if family.final_norm.kind == "layer":
        rows = rows - rows.mean(1, keepdim=True)
    return Unembedding(rows, family.final_norm.kind)


def output_embedding(subject: SubjectModel) -> Any:  # noqa: ANN401  (a linear layer, or what stands for one)
    """Return the module that turns the last hidden state into logits.

    Parameters
    ----------
    subject
        Any model.

    Returns
    -------
    A linear layer, or an adapter around one; ``out_features`` is the number of tokens.

    Raises
    ------
    ModelError
        If the model is an encoder or was loaded without its unembedding.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> output_embedding(tiny("Rome is old")).out_features
    4
    """
    if subject.family.kind == "encoder":
        raise ModelError(
            f"{subject.name} is an encoder ({subject.family.name}), which predicts no next token and has no "
            "unembedding; use a decoder."
        )
    head = without_wrapper(subject.model).get_output_embeddings()
    if not isinstance(head, nn.Module):
        raise ModelError(
            f"{subject.name} was loaded without its unembedding, as a {type(subject.model).__name__}; "
            "load it with AutoModelForCausalLM."
        )
    return head


def _all_rows(head: nn.Module, *, projection: nn.Module | None, name: str) -> Tensor:
    """Take the whole matrix: differentiating every logit would cost a forward of all tokens a token."""
    rows = matrix_of(head, name=name)
    return (rows if projection is None else matrix_of(projection, name=name) @ rows).T


def _rows(
    head: nn.Module, tokens: Sequence[int], *, projection: nn.Module | None, width: int, device: torch.device
) -> Tensor:
    """Differentiate logits by what enters: the rows themselves, whatever module holds them (an adapter's, a tied one).

    Weights that are kept elsewhere are brought in as they are for any forward.
    """
    weight = next(head.parameters())
    with torch.inference_mode(mode=False), torch.enable_grad():
        x = torch.zeros(
            len(tokens), width, dtype=weight.dtype, device=device if weight.is_meta else weight.device
        ).requires_grad_()
        logits = head(x if projection is None else projection(x))
        # one token a copy of x, so that no sum is rounded
        picked = logits[torch.arange(len(tokens)), torch.tensor(tokens)]
        (rows,) = torch.autograd.grad(picked.sum(), x)
    return rows
