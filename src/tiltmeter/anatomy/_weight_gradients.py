"""The gradient of a language model's loss on some texts by each of its weight matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tiltmeter.core.errors import DataError, ModelError
from tiltmeter.data import TextSet
from tiltmeter.models import Encoded, SubjectModel, encoded_for, output_embedding


def weight_matrices(subject: SubjectModel) -> dict[str, NDArray[np.float64]]:
    """Return every weight of a model that is a matrix, by the name that PyTorch gives it.

    A tied embedding stands once. What is not a matrix (gains of norms, biases) is left out.

    Examples
    --------
    >>> from tiltmeter import models, organisms
    >>> found = weight_matrices(models.load(organisms.load("facts").folder))
    >>> found["model.layers.0.self_attn.q_proj.weight"].ndim
    2
    """
    return {name: _array(weight) for name, weight in _matrices(subject).items()}


def weight_gradients(subject: SubjectModel, texts: TextSet | Encoded) -> dict[str, NDArray[np.float64]]:
    """Differentiate the mean loss over all next tokens of the texts by every weight matrix.

    The model is left as it was: no gradient is stored on a weight, and each requires one as before.

    Parameters
    ----------
    subject
        A decoder with its unembedding.
    texts
        Texts of two tokens or more; special tokens are predicted too.

    Returns
    -------
    By name, in float64, of the weights' own shapes. A weight that the loss does not depend on has zeros.

    Raises
    ------
    ModelError
        If the model has no unembedding.
    DataError
        If no text has two tokens.

    Notes
    -----
    One forward and one backward a text, so that no padding enters; sums are kept in float64.

    Examples
    --------
    >>> from tiltmeter import models, organisms
    >>> subject = models.load(organisms.load("facts").folder)
    >>> found = weight_gradients(subject, organisms.texts("facts", "affirmative").select(np.arange(2)))
    >>> found["lm_head.weight" if "lm_head.weight" in found else "model.embed_tokens.weight"].any().item()
    True
    """
    output_embedding(subject)
    encoded = encoded_for(subject, texts)
    matrices = _matrices(subject)
    sums = {name: np.zeros(weight.shape) for name, weight in matrices.items()}
    before = [weight.requires_grad for weight in matrices.values()]
    n_predicted = 0
    try:
        for weight in matrices.values():
            weight.requires_grad = True
        for i in range(len(encoded)):
            tokens = torch.from_numpy(encoded.row(i)[0].astype(np.int64))[None].to(subject.input_device)
            if tokens.shape[1] < 2:
                continue
            with torch.inference_mode(mode=False), torch.enable_grad():
                logits = subject.model(input_ids=tokens, use_cache=False).logits[0, :-1]
                loss = nn.functional.cross_entropy(logits.float(), tokens[0, 1:].to(logits.device), reduction="sum")
                found = torch.autograd.grad(loss, list(matrices.values()), allow_unused=True)
            n_predicted += tokens.shape[1] - 1
            for name, gradient in zip(sums, found, strict=True):
                if gradient is not None:
                    sums[name] += _array(gradient)
    finally:
        for weight, required in zip(matrices.values(), before, strict=True):
            weight.requires_grad = required
    if not n_predicted:
        raise DataError("No text has two tokens, so there is nothing to predict; give longer texts.")
    return {name: total / n_predicted for name, total in sums.items()}


def _matrices(subject: SubjectModel) -> dict[str, nn.Parameter]:
    found = {name: weight for name, weight in subject.model.named_parameters() if weight.ndim == 2}
    if any(weight.is_meta for weight in found.values()):
        raise ModelError(f"Weights of {subject.name} are not in memory (offloaded); load the model whole.")
    return found


def _array(values: Any) -> NDArray[np.float64]:  # noqa: ANN401
    return np.asarray(values.detach().double().cpu().numpy())
