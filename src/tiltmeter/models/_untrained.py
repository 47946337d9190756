"""The same architecture with weights drawn at random: what a probe finds there, training did not put there."""

from __future__ import annotations

import copy
from typing import Any

import torch

from tiltmeter.core.errors import SpecError
from tiltmeter.models._adapters import without_wrapper
from tiltmeter.models._subject import SubjectModel, bind


def untrained(subject: SubjectModel, *, random_state: int = 0) -> SubjectModel:
    """Build a model of the same configuration, with the weights that its class draws for a new one.

    The tokenizer, dtype, device and attention kernel are those of the subject, which stays as it is. Adapters are left
    out: they are trained. PyTorch's own generator is left as it was.

    Parameters
    ----------
    subject
        The trained model.
    random_state
        Seed of the weights.

    Returns
    -------
    The new model, bound. It takes as much memory again.

    Raises
    ------
    SpecError
        If the seed is negative.

    References
    ----------
    Zhang and Bowman (2018), "Language modeling teaches you more than translation does: lessons learned through
    auxiliary syntactic task analysis": probes on untrained encoders as a control.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old", seed=1)
    >>> new = untrained(subject)
    >>> new.name, new.n_layers, new.fingerprint.weights_sha256 == subject.fingerprint.weights_sha256
    ('tiny, untrained', 2, False)
    """
    if random_state < 0:
        raise SpecError(f"random_state is {random_state}; seeds are whole numbers from 0.")
    trained: Any = without_wrapper(subject.model)
    config = copy.deepcopy(trained.config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_state)
        model = type(trained)(config)
    model = model.to(device=subject.input_device, dtype=trained.dtype).eval()
    return bind(model, subject.tokenizer, name=f"{subject.name}, untrained")
