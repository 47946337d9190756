"""Which rows an audit takes for the eraser's own, and when it says that nothing was erased."""

import numpy as np
import pytest
from by_hand import along, mean_projection, rows, shifted

from tiltmeter.core.errors import DataError
from tiltmeter.erasure import INLP, LEACE, RLACE, SAL, MeanProjection, MeanTranslation, MedianProjection, audit
from tiltmeter.erasure._audit_rows import Side, check_not_fitted_on, erased, is_left_whole

EXACT = [LEACE(), LEACE(shrinkage=0.1), MeanProjection(), SAL(), RLACE(), MeanTranslation()]


def side(X, z):
    return Side(X, z, None)


def three(seed, d=20, *, offset=0.0, dtype=np.float64):
    """Rows for the eraser, and two sides of others."""
    X, z = shifted(1800, d, shift=3.0, seed=seed)
    X = (X + offset).astype(dtype)
    return [side(X[i::3], z[i::3]) for i in range(3)]


# ------------------------------------------------------------ the eraser's own rows


@pytest.mark.parametrize("method", EXACT, ids=str)
@pytest.mark.parametrize(
    ("dtype", "offset"),
    [
        (np.float64, 0.0),
        (np.float64, 1e4),
        (np.float32, 0.0),
        (np.float32, 100.0),
        (np.float32, 1e4),
        (np.float16, 0.0),
        (np.float16, 3.0),
    ],
)
def test_own_rows_are_refused_on_either_side_and_on_both_together_in_every_type(method, dtype, offset):
    own, fresh, more = three(0, offset=offset, dtype=dtype)
    eraser = method.fit(own.X, own.y).eraser_
    first, second = side(own.X[:250], own.y[:250]), side(own.X[250:], own.y[250:])
    for fit, judge in ((own, fresh), (fresh, own), (first, second)):
        with pytest.raises(DataError, match="fitted on these very rows"):
            check_not_fitted_on(eraser, fit, judge)
    check_not_fitted_on(eraser, fresh, more)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("seed", range(5))
def test_own_rows_that_were_rounded_since_the_fit_are_known_by_their_rounding(dtype, seed):
    own, fresh, _ = three(seed)
    eraser = LEACE().fit(own.X, own.y).eraser_
    with pytest.raises(DataError, match="fitted on these very rows"):
        check_not_fitted_on(eraser, fresh, side(own.X.astype(dtype), own.y))


@pytest.mark.long
@pytest.mark.parametrize("method", [LEACE(), MeanProjection(), MeanTranslation()], ids=str)
@pytest.mark.parametrize(("dtype", "offset"), [(np.float64, 0.0), (np.float32, 1e4), (np.float16, 0.0)])
@pytest.mark.parametrize("d", [2, 40])
def test_fresh_rows_are_never_refused(method, dtype, offset, d):
    for seed in range(30):
        own, fresh, more = three(seed, d, offset=offset, dtype=dtype)
        check_not_fitted_on(method.fit(own.X, own.y).eraser_, fresh, more)


def test_a_loud_channel_lets_neither_fresh_rows_pass_for_own_ones_nor_own_ones_for_fresh():
    for seed in range(10):
        own, fresh, more = (one._replace(X=(one.X * ([1.0] * 19 + [1e3])).astype(np.float16)) for one in three(seed))
        eraser = MeanProjection().fit(own.X, own.y).eraser_
        check_not_fitted_on(eraser, fresh, more)
        with pytest.raises(DataError, match="fitted on these very rows"):
            check_not_fitted_on(eraser, fresh, own)


def test_rows_whose_means_agreed_before_erasing_are_no_sign():
    X, z = shifted(400, 4, shift=0.0, seed=0)
    level = X - np.where((z == 1)[:, None], X[z == 1].mean(0), X[z == 0].mean(0))
    check_not_fitted_on(along(X, np.eye(4)[0]), side(level, z), side(*shifted(400, 4, shift=0.0, seed=1)))


@pytest.mark.parametrize("method", [MedianProjection(), INLP(3), MeanProjection()], ids=str)
def test_what_cannot_be_seen_passes_as_the_words_of_the_audit_say(method):
    own, fresh, _ = three(0)
    fitted = method.fit(own.X, own.y)
    judge = own
    if isinstance(method, MeanProjection):  # half of its own rows
        judge = side(own.X[::2], own.y[::2])
    check_not_fitted_on(fitted.eraser_, fresh, judge)
    assert (
        "nor do the rows of MedianProjection, INLP" in audit.__doc__ and "A part of the fitting rows" in audit.__doc__
    )


def test_a_map_of_another_make_is_given_the_rows_in_their_own_type():
    own, fresh, more = three(0, dtype=np.float32)
    ours = mean_projection(own.X, own.y)

    class Single:
        method, guarantee = "of single precision", ""

        def __call__(self, X):
            assert X.dtype == np.float32
            return ours(X)

    check_not_fitted_on(Single(), fresh, more)
    with pytest.raises(DataError, match="fitted on these very rows"):
        check_not_fitted_on(Single(), own, fresh)


def test_the_audit_itself_refuses_own_rows_that_judge():
    own, fresh, _ = three(0)
    with pytest.raises(DataError, match="fitted on these very rows"):
        audit(
            LEACE().fit(own.X, own.y).eraser_,
            rows(fresh.X, fresh.y),
            test=rows(own.X, own.y, start=1000),
            readers=("logistic",),
        )


# ------------------------------------------------------------ nothing erased


def left_whole(eraser, X, z):
    before = side(X, z)
    return is_left_whole(before, erased(eraser, before))


def drawn(seed, n, d, *, n_positive, shift=3.0, loud=1.0):
    X, z = shifted(n, d, shift=shift, seed=seed, prevalence=n_positive / n)
    X[:, 1] *= loud
    return X, z


@pytest.mark.parametrize(
    ("n", "d", "n_positive", "loud", "least"),
    [
        (2000, 5, 1000, 1.0, 1.0),
        (400, 768, 200, 1.0, 0.85),
        (400, 768, 200, 100.0, 0.85),
        (1000, 384, 100, 1.0, 0.75),
        # with so few positives another direction moves the difference by more than a twentieth by chance
        (1000, 384, 24, 1.0, 0.4),
    ],
)
def test_an_eraser_of_another_direction_is_found_out_in_wide_rows_and_mostly_for_a_rare_concept(
    n, d, n_positive, loud, least
):
    found = []
    for seed in range(20):
        X, z = drawn(seed, n, d, n_positive=n_positive, loud=loud)
        found.append(left_whole(along(X, np.eye(d)[2]), X, z))
    assert np.mean(found) >= least


@pytest.mark.parametrize(("n_fit", "n_fresh"), [(6, 24), (12, 24), (12, 200), (50, 50), (200, 200)])
@pytest.mark.parametrize("d", [20, 300])
def test_of_an_exact_eraser_with_few_positives_it_is_not_said_that_nothing_was_erased(d, n_fit, n_fresh):
    for seed in range(10):
        X, z = drawn(seed, 1000, d, n_positive=n_fit)
        fresh, labels = drawn(1000 + seed, 1000, d, n_positive=n_fresh)
        assert not left_whole(MeanProjection().fit(X, z).eraser_, fresh, labels)


@pytest.mark.parametrize("loud", [1.0, 100.0])
@pytest.mark.parametrize("d", [2, 20, 300])
def test_where_there_is_no_difference_nothing_is_said_to_be_left(d, loud):
    found = []
    for seed in range(20):
        X, z = drawn(seed, 600, d, n_positive=100, shift=0.0, loud=loud)
        found.append(left_whole(along(X, np.eye(d)[0]), X, z))
    assert sum(found) <= 1


def test_a_difference_that_shrinks_by_a_tenth_or_in_constant_rows_is_not_left_whole():
    X, z = drawn(0, 2000, 10, n_positive=1000)
    whole = along(X, np.eye(10)[0])

    class Partly:
        method, guarantee = "a part", ""

        def __init__(self, share):
            self.share = share

        def __call__(self, rows):
            return rows + self.share * (whole(rows) - rows)

    assert left_whole(Partly(0.04), X, z) and not left_whole(Partly(0.1), X, z)
    assert not left_whole(whole, X, z)
    assert not left_whole(whole, np.ones_like(X), z)
