"""The directions that rows span: coordinates in which a search over them is small and well scaled."""

from __future__ import annotations

import torch
from torch import Tensor

# of the largest, squared: directions in which the rows vary less are rounding
_RANK_TOL = 1e-13


def spanned(rows: Tensor) -> Tensor:
    """Return the principal components (d, m) of rows (n, d) as they are, orthonormal, without those of rounding."""
    n, d = rows.shape
    squared, vectors = torch.linalg.eigh(rows.T @ rows if d <= n else rows @ rows.T)
    kept = squared > _RANK_TOL * squared[-1]
    components: Tensor = vectors[:, kept] if d <= n else rows.T @ (vectors[:, kept] / squared[kept].sqrt())
    return components
