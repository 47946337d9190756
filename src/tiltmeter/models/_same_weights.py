"""Whether two models hold the same weights, though they were loaded in other dtypes."""

from __future__ import annotations

import torch

from tiltmeter.models._adapters import without_wrapper
from tiltmeter.models._fingerprint import weights_sha256_in
from tiltmeter.models._subject import DType, SubjectModel


def weights_sha256_as(subject: SubjectModel, dtype: DType) -> str:
    """Return the hash that the weights of a model have once they are converted to another dtype.

    They are converted as :func:`load` converts them, one tensor at a time, and stay as they are. In a wider dtype than
    the model's it is the hash of the widened weights: that of the file, if it was saved in the model's dtype.

    Parameters
    ----------
    subject
        The model.
    dtype
        What :func:`load` would be given.

    Returns
    -------
    What ``weights_sha256`` would be in the fingerprint.

    See Also
    --------
    Fingerprint : Holds the hash of the dtype that the model is in.

    Examples
    --------
    >>> from tiltmeter.models import bind, tiny
    >>> subject = tiny("Rome is old")
    >>> told = weights_sha256_as(subject, "bfloat16")
    >>> half = bind(subject.model.bfloat16(), subject.tokenizer, name="tiny")
    >>> half.fingerprint.weights_sha256 == told
    True
    """
    return weights_sha256_in(without_wrapper(subject.model), getattr(torch, dtype))
