"""What other methods find in the activations of aligned pairs: the rivals of causal direction extraction."""

from __future__ import annotations

from collections.abc import Sequence

from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Unavailable
from tiltmeter.core.site import Site
from tiltmeter.interventions._causal_methods import CAUSAL_BASELINES, CausalMethod, basis_of, pair_rows_of
from tiltmeter.interventions._clean import Clean
from tiltmeter.interventions._oriented import oriented, pair_facts, side_means
from tiltmeter.interventions._pairs import EncodedPairs
from tiltmeter.models import SubjectModel


def causal_baselines(
    subject: SubjectModel,
    encoded: EncodedPairs,
    *,
    layer: int,
    methods: Sequence[CausalMethod] = CAUSAL_BASELINES,
    clean: Clean | None = None,
    random_state: int = 0,
) -> dict[str, Direction | Unavailable]:
    """Find a direction by each of several methods, from the same pairs at the same block.

    Parameters
    ----------
    subject
        A decoder with its unembedding.
    encoded
        Training pairs, from :func:`encode_pairs`.
    layer
        Block whose ``resid_post`` is looked at, 0-based; negative ones count from the end.
    methods
        Those to use, among or beside ``CAUSAL_BASELINES``; each must find one direction.
    clean
        What :func:`clean_runs` recorded of these pairs, with this block among its layers; None to run them here.
    random_state
        Seed of the methods that draw.

    Returns
    -------
    A direction a method, which points to the positive side, with zero midway between the sides' means over all tokens;
    or why there is none.

    Raises
    ------
    SpecError
        If the block is absent, or ``clean`` lacks it, or a method finds several directions.
    ModelError
        If the model has no unembedding, or was put into training mode or compiled.

    Warns
    -----
    ConvergenceWarning
        As the methods themselves do.

    See Also
    --------
    cde : The method that is measured by them.

    Notes
    -----
    All but two methods see every token of both prompts as a row, with the side as its label. ``naive_probe``: logistic
    regression to convergence. ``dropout_probe``: the same where 60 % of the inputs are zero at each step. ``rlace``:
    the closed form, which for two classes is the mean difference. ``rlace_sgd``: the original procedure with 6,000
    steps, whose answer may change from seed to seed; each costs O(d³). ``mean_difference``, of rows as they are, of
    unit norm and standardised; ``median_difference``, between geometric medians. ``unembedding_difference`` and
    ``answer_gradient``: of each pair's positive answers less its negative ones, summed over the pairs; the gradient of
    their log-odds is the mean over each prompt's tokens. ``random`` knows nothing.

    References
    ----------
    safer-ai/Comparitive-Feature-Evaluation, ``src/direction_methods``; in its call the dropout probe and the naive one
    have a learning rate of 1e-4, and end long before they converge.

    Examples
    --------
    >>> import numpy as np
    >>> from tiltmeter.interventions import PromptPairs, encode_pairs
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("she he said her his")
    >>> one = np.array(["a"])
    >>> pairs = PromptPairs(one, ("she said",), ("he said",), (("her",),), (("his",),), np.array(["easy"]), one)
    >>> quick = [method for method in CAUSAL_BASELINES if method.name in ("mean_difference", "answer_gradient")]
    >>> found = causal_baselines(subject, encode_pairs(subject, pairs), layer=0, methods=quick)
    >>> {name: (str(direction.site), direction.sign) for name, direction in found.items()}
    {'mean_difference': ('0.resid_post', 1), 'answer_gradient': ('0.resid_post', 1)}
    """
    rows = pair_rows_of(subject, encoded, layer=layer, clean=clean, seed=random_state)
    site, means = Site(rows.layer, "resid_post"), side_means(encoded, rows.clean.states[rows.layer])
    facts = {"seeds": {"random_state": random_state}, **pair_facts(subject, encoded)}
    found: dict[str, Direction | Unavailable] = {}
    for method in methods:
        basis = basis_of(method, rows)
        if isinstance(basis, Unavailable):
            found[method.name] = basis
            continue
        if len(basis) > 1:
            raise SpecError(f"{method.name} finds {len(basis)} directions; here each method is to find one.")
        vector = basis[0].astype(rows.X.dtype)
        found[method.name] = oriented(vector, means=means, site=site, method=method.name, facts=facts)
    return found
