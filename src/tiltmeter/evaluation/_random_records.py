"""Random directions at one site, on every test set."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tiltmeter.core.activations import UNNAMED_SITE, Activations
from tiltmeter.core.evidence import RandomDirections
from tiltmeter.core.seeds import stream
from tiltmeter.evaluation._nulls import DirectionScores, random_directions


def random_records(
    train: Activations, tests: Mapping[str, Activations], *, home: str, count: int = 100, seed: int = 0
) -> tuple[RandomDirections, ...]:
    """Score random directions on every test set of both labels, the same on all, each oriented on the rows to fit on.

    Parameters
    ----------
    train
        Labelled rows of one site, which give each direction its sign.
    tests
        Labelled rows by name.
    home
        What the record calls the training distribution.
    count
        How many directions.
    seed
        Of the directions; each site has its own.

    Returns
    -------
    One record a test set; none where the rows to fit on have no labels.

    Examples
    --------
    >>> from tiltmeter.core.activations import UNNAMED_SITE, Activations
    >>> y = np.arange(100) % 2
    >>> rows = Activations(np.random.default_rng(0).normal(size=(100, 4)), ids=np.arange(100).astype(str), y=y)
    >>> (found,) = random_records(rows, {"t": rows}, home="home")
    >>> found.count, found.worst <= found.mean <= found.best
    (100, True)
    """
    site = str(train.site or UNNAMED_SITE)
    records = []
    for name, test in tests.items():
        if train.y is None or test.y is None or len(np.unique(test.y)) < 2:
            continue
        # the same stream for every test set: one set of directions a site
        found = random_directions(
            train.X,
            train.y,
            X_test=test.X,
            y_test=test.y,
            count=count,
            rng=stream(seed, "random directions", site),
        )
        records.append(random_record(found, site=site, train=home, test=name))
    return tuple(records)


def random_record(found: DirectionScores, *, site: str, train: str, test: str) -> RandomDirections:
    """Sum up what random directions at a site reach on a test set.

    Examples
    --------
    >>> found = DirectionScores(np.array([0.6, 0.8]), np.array([0.75, 0.5]))
    >>> random_record(found, site="0.resid_post", train="home", test="other").chosen_on_train
    0.5
    """
    return RandomDirections(
        site=site,
        train=train,
        test=test,
        count=len(found.test),
        mean=float(found.test.mean()),
        sd=float(found.test.std()),
        best=float(found.test.max()),
        worst=float(found.test.min()),
        chosen_on_train=float(found.test[int(np.argmax(found.train))]),
    )
