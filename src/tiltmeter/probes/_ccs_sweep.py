"""CCS for all sites in one call, the starts of each site solved side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError
from tiltmeter.numerics import pair_rows
from tiltmeter.probes._ccs import CCSFits, RowSpace, check_options, fit_starts, unit_starts
from tiltmeter.probes._halves import halves


def ccs_sweep(
    sites: Mapping[str, Float[NDArray[Any], "n d"]],
    *,
    pairs: Shaped[NDArray[Any], " n"],
    sides: Int[NDArray[Any], " n"],
    n_restarts: int = 10,
    l2: float = 1e-3,
    random_state: int = 0,
    device: str = "cpu",
) -> dict[str, CCSFits]:
    """Minimise the CCS loss + l2 |θ|² / 2, with a bias, from random unit starts at every site.

    Each half is normalised by itself. :func:`seed_consistency` of a site's ``directions`` tells whether its starts
    agree.

    Parameters
    ----------
    sites
        Rows by the name of their site, all with the same n. Each is looked up once and let go before the next.
    pairs, sides
        Shape (n,): the identifier of each row's pair, and which half of it, 0 or 1, the row is.
    n_restarts
        Random unit starts a site, the same for sites of one width.
    l2
        Strength of the penalty, ≥ 0, in units of the normalised rows.
    random_state
        Seed of the starts.
    device
        Where to compute, such as ``"cuda"``; in double precision.

    Raises
    ------
    ArrayError
        If pairs or sides are not two rows a pair, shapes disagree, an option is out of range or rows are not finite.

    Warns
    -----
    ConvergenceWarning
        If no start of a site converged.

    See Also
    --------
    ccs : one site, with a choice of normalisation.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(40, 3))
    >>> fits = ccs_sweep({"0.resid_post": X}, pairs=np.repeat(np.arange(20), 2), sides=np.tile([0, 1], 20))
    >>> fits["0.resid_post"].directions.shape
    (10, 3)
    """
    check_options(n_restarts=n_restarts, l2=l2)
    members = pair_rows(pairs, n=len(pairs), sides=sides)
    fits = {}
    for site, X in sites.items():
        if X.ndim != 2 or len(X) != len(pairs):
            raise ArrayError(f"The rows of {site} have shape {X.shape} for {len(pairs)} pair identifiers.")
        if not np.isfinite(X).all():
            raise ArrayError(f"The rows of {site} hold NaN or infinity; leave those out.")
        prepared = halves(X, members)
        space = RowSpace.of(prepared, dtype=torch.float64, device=device)
        starts = unit_starts(n_restarts, X.shape[1], random_state=random_state)
        fits[site] = fit_starts(space, prepared, starts, has_bias=True, l2=l2)
    return fits
