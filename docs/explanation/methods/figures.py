"""Draw the pictures of the methods' pages, all or those named: ``python docs/explanation/methods/figures.py``.

Each linear method is shown on the same four sets of pairs in two dimensions: what it finds where nothing is in the way,
where the contents of the pairs are loud, where one positive in ten lies far off in the train rows, and where something
else differs within pairs more than the concept does.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import altair as alt
import numpy as np
import vl_convert
from numpy.typing import NDArray

from tiltmeter import erasure, probes
from tiltmeter.core import Activations
from tiltmeter.evaluation import auroc, tpr_at_fpr

HERE = Path(__file__).parent
BLUE, ORANGE, INK = "#0072b2", "#c94a00", "#333333"
SIDE = 170


class Pairs(NamedTuple):
    """Rows 2i and 2i + 1 are a pair, one of each label; sides are a coin."""

    X: NDArray[np.float64]
    y: NDArray[np.int64]
    pairs: NDArray[np.int64]
    sides: NDArray[np.int64]


def draw(kind: str, *, n: int, seed: int) -> Pairs:
    """Content and noise of the row, and the concept along the first axis, 3 units from one label to the other."""
    rng = np.random.default_rng(seed)
    first = rng.integers(2, size=n)
    y = np.stack([first, 1 - first], 1).ravel()
    content = np.repeat(rng.normal(size=(n, 2)), 2, axis=0)
    noise = 0.6 * rng.normal(size=(2 * n, 2))
    X = noise + (y - 0.5)[:, None] * np.array([3.0, 0.0])
    if kind == "loud contents":
        X += content[:, :1] * np.array([2.0, 2.0])
    else:
        X += 0.4 * content
    if kind == "outliers":
        far = np.flatnonzero(y == 1)[::10]
        X[far] += np.array([-6.0, 9.0])
    if kind == "a louder difference":
        other = rng.integers(2, size=n)
        X[:, 1] += 4.5 * (np.stack([other, 1 - other], 1).ravel() - 0.5)
    sides = np.stack([(coin := rng.integers(2, size=n)), 1 - coin], 1).ravel()
    return Pairs(X, y, np.repeat(np.arange(n), 2), sides)


KINDS = ("plain", "loud contents", "outliers", "a louder difference")


def fitted(probe: Any, rows: Pairs) -> Any:
    """Fit with what the method takes; a sign from the labels where it has none."""
    if not probe.is_supervised:
        return probe.fit(rows.X, pairs=rows.pairs, sides=rows.sides).orient(rows.X, rows.y)
    if probe.needs_pairs:
        return probe.fit(rows.X, rows.y, pairs=rows.pairs)
    return probe.fit(rows.X, rows.y)


def panel(probe: Any, kind: str) -> alt.LayerChart:
    # outliers are accidents of the train rows: what is judged has none
    rows, fresh = draw(kind, n=120, seed=0), draw("plain" if kind == "outliers" else kind, n=2000, seed=1)
    found = fitted(probe, rows)
    figure = auroc(fresh.y, found.decision_function(fresh.X))
    points = [{"x": x, "y": y, "label": int(label)} for (x, y), label in zip(rows.X.tolist(), rows.y, strict=True)]
    reach = 7.0
    scale = alt.Scale(domain=[-reach, reach], nice=False)
    axis = alt.Axis(title=None, ticks=False, labels=False, grid=False, domain=False)
    x, y = alt.X("x:Q", scale=scale, axis=axis), alt.Y("y:Q", scale=scale, axis=axis)
    colour = alt.Color("label:N", scale=alt.Scale(domain=[0, 1], range=[ORANGE, BLUE]), legend=None)
    dots = (
        alt.Chart(alt.Data(values=points)).mark_circle(size=9, opacity=0.55, clip=True).encode(x=x, y=y, color=colour)
    )
    layers = [dots]
    if hasattr(found, "direction_"):
        v = found.direction_
        # the line on which the score is zero, and the way it rises
        foot = -found.intercept_ * v
        along = np.array([-v[1], v[0]]) * 3 * reach
        line = [{"x": float(p[0]), "y": float(p[1]), "o": i} for i, p in enumerate((foot - along, foot + along))]
        arrow = [{"x": float(p[0]), "y": float(p[1]), "o": i} for i, p in enumerate((foot, foot + 2.5 * v))]
        for data, width, dash in ((line, 1.2, [4, 3]), (arrow, 2.5, [1, 0])):
            chart = alt.Chart(alt.Data(values=data))
            layers.append(
                chart.mark_line(color=INK, strokeWidth=width, strokeDash=dash, clip=True).encode(x=x, y=y, order="o:O")
            )
        tip = alt.Chart(alt.Data(values=[arrow[1]])).mark_point(
            shape="triangle", filled=True, color=INK, size=90, angle=float(np.degrees(np.arctan2(v[0], v[1]))) % 360
        )
        layers.append(tip.encode(x=x, y=y))
    title = alt.TitleParams([kind, f"AUROC on fresh rows {figure:.2f}"], fontSize=11, fontWeight="normal")
    return alt.layer(*layers).properties(width=SIDE, height=SIDE, title=title)


LINEAR: dict[str, Any] = {
    "mean-difference": probes.MeanDifference(),
    "median-difference": probes.MedianDifference(),
    "logistic": probes.Logistic(C=0.1, penalty_scale="within"),
    "ridge": probes.Ridge(),
    "lda": probes.LDA(),
    "svm": probes.LinearSVM(C=0.1, penalty_scale="within"),
    "contrast-logistic": probes.ContrastLogistic(C=0.1, penalty_scale="within"),
    "lat": probes.LAT(),
    "crc": probes.CRC(),
    "kmeans": probes.KMeansDifferences(),
    "bss": probes.BSS(),
    "ccs": probes.CCS(),
}


def lines(rows: list[dict[str, Any]], *, x: str, y: str, title: str, log: bool = False) -> alt.LayerChart:
    """Draw one line a name, with the standard deviation over seeds as a band."""
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale()
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("x:Q", title=x, scale=scale),
        color=alt.Color("name:N", title=None, sort=None, legend=alt.Legend(symbolOpacity=1)),
    )
    band = base.mark_area(opacity=0.15).encode(y=alt.Y("low:Q", title=y), y2="high:Q")
    return (band + base.mark_line(point=True).encode(y="mean:Q")).properties(width=420, height=220, title=title)


def summed_up(name: str, x: float, values: list[float]) -> dict[str, Any]:
    mean, sd = float(np.mean(values)), float(np.std(values))
    return {"name": name, "x": x, "mean": mean, "low": max(0.0, mean - sd), "high": min(1.0, mean + sd)}


def negations() -> alt.LayerChart:
    """Statements with truth along one axis, and a part of it that negation turns round along another."""
    rows = []
    for size in (0.0, 0.5, 1.0, 1.5, 2.0):
        found: dict[str, list[float]] = {"mean difference": [], "logistic regression": [], "TTPD": []}
        for seed in range(5):
            train, fresh = (statements(size, seed=seed, part=part) for part in (0, 1))
            plain, negated = ~train.is_negated, fresh.is_negated
            for name, probe in (
                ("mean difference", probes.MeanDifference().fit(train.X[plain], train.y[plain])),
                ("logistic regression", LINEAR["logistic"].fit(train.X[plain], train.y[plain])),
                ("TTPD", probes.TTPD().fit(train.X, train.y, is_negated=train.is_negated)),
            ):
                found[name].append(auroc(fresh.y[negated], probe.decision_function(fresh.X[negated])))
        rows += [summed_up(name, size, values) for name, values in found.items()]
    title = "Mean and sd of 5 seeds; the first two saw affirmative statements only"
    return lines(rows, x="size of the part that negation turns round", y="AUROC on negations", title=title)


class Statements(NamedTuple):
    X: NDArray[np.float64]
    y: NDArray[np.int64]
    is_negated: NDArray[np.bool_]


def statements(size: float, *, seed: int, part: int) -> Statements:
    rng = np.random.default_rng([seed, part])
    y, negated = rng.integers(2, size=(2, 600))
    truth, polarity = 2.0 * y - 1, 1 - 2.0 * negated
    X = rng.normal(size=(600, 32))
    X[:, 0] += truth
    X[:, 1] += size * truth * polarity
    X[:, 2] += polarity
    return Statements(X, y, negated == 1)


def one_in_twenty() -> alt.LayerChart:
    """Texts of 20 tokens of N(0, I_30); in k tokens of a positive one the concept stands, 12 / (k + 1) units high."""
    rows = []
    heads: dict[str, Any] = {
        rule: probes.PooledTokens(rule, window=5) for rule in ("mean", "max", "softmax", "rolling")
    }
    heads["attention"] = probes.AttentionProbe()
    for k in (1, 2, 5, 10, 20):
        found: dict[str, list[float]] = {name: [] for name in heads}
        for seed in range(5):
            (X, y, offsets), (Z, labels, bounds) = (tokens(k, n=n, seed=[seed, n]) for n in (300, 1000))
            for name, head in heads.items():
                scores = head.fit(X, y, offsets=offsets).decision_function(Z, offsets=bounds)
                found[name].append(tpr_at_fpr(labels, scores, fpr=0.01))
        rows += [summed_up(name, k, values) for name, values in found.items()]
    return lines(
        rows, x="tokens of twenty that hold the concept", y="TPR at 1 % FPR", title="Mean and sd of 5 seeds", log=True
    )


def tokens(k: int, *, n: int, seed: list[int]) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n, 20, 30)), np.arange(n) % 2
    for text in np.flatnonzero(y):
        first = rng.integers(20 - k + 1)
        X[text, first : first + k, 0] += 12 / (k + 1)
    return X.reshape(-1, 30), y, np.arange(n + 1) * 20


def strengths() -> alt.LayerChart:
    """Three sites of 96 features and 200 rows, the concept 0.5, 1 and 2 units along one of them; five folds."""
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    sites = {
        f"block {i}": rng.normal(size=(200, 96)) * np.logspace(-1, 1, 96) + shift * y[:, None] * np.eye(96)[40]
        for i, shift in enumerate((0.5, 1.0, 2.0))
    }
    train = np.array([np.arange(200) % 5 != fold for fold in range(5)])
    C = np.logspace(-4, 2, 13)
    rows = []
    for name, fits in probes.logistic_sweep(sites, y, C=C.tolist(), train=train, penalty_scale="within").items():
        scores = fits.scores(sites[name])
        for j, strength in enumerate(C):
            areas = [auroc(y[~fold], scores[i, j][~fold]) for i, fold in enumerate(train)]
            rows.append(summed_up(name, float(strength), areas))
    title = "195 logistic regressions in one call; mean and sd of 5 folds"
    return lines(rows, x="C (weak penalty on the right)", y="AUROC on held-out folds", title=title, log=True)


def exclusive_or() -> alt.HConcatChart:
    """Four clouds, of which two at opposite corners hold the concept."""
    rng = np.random.default_rng(0)
    signs = rng.choice([-1, 1], size=(300, 2))
    X, y = 1.5 * signs + 0.6 * rng.normal(size=(300, 2)), (signs.prod(1) > 0).astype(int)
    grid = np.stack(np.meshgrid(np.linspace(-4, 4, 61), np.linspace(-4, 4, 61)), -1).reshape(-1, 2)
    panels = []
    for name, probe in (("logistic regression", probes.Logistic()), ("small network", probes.MLP(width=8))):
        probe.fit(X, y)
        where = probe.decision_function(grid) > 0
        tiles = [{"x": a, "y": b, "in": bool(i)} for (a, b), i in zip(grid.tolist(), where, strict=True)]
        points = [{"x": a, "y": b, "label": int(i)} for (a, b), i in zip(X.tolist(), y, strict=True)]
        axis = alt.Axis(title=None, ticks=False, labels=False, grid=False, domain=False)
        x, up = alt.X("x:Q", axis=axis), alt.Y("y:Q", axis=axis)
        colour = alt.Scale(domain=[0, 1], range=[ORANGE, BLUE])
        shade = alt.Color("in:N", scale=alt.Scale(domain=[False, True], range=["#f6e3d8", "#d9e8f2"]), legend=None)
        back = alt.Chart(alt.Data(values=tiles)).mark_square(size=22, opacity=1).encode(x=x, y=up, color=shade)
        dots = alt.Chart(alt.Data(values=points)).mark_circle(size=12, opacity=0.8)
        front = dots.encode(x=x, y=up, color=alt.Color("label:N", scale=colour, legend=None))
        title = f"{name}: {(probe.predict(X) == y).mean():.0%} right"
        layered = alt.layer(back, front).resolve_scale(color="independent")
        panels.append(layered.properties(width=SIDE, height=SIDE, title=title))
    return alt.hconcat(*panels)


def pairs_needed() -> alt.LayerChart:
    """Pairs in 64 features, the concept 3 units apart along one, a nuisance of variance 4 along another."""
    rng = np.random.default_rng(0)
    y = np.stack([(first := rng.integers(2, size=1024)), 1 - first], 1).ravel()
    content = np.repeat(rng.normal(size=(1024, 64)), 2, axis=0)
    X = content + rng.normal(size=(2048, 64)) + (y - 0.5)[:, None] * 3.0 * np.eye(64)[0]
    X[:, 1] += 2.0 * rng.normal(size=2048)
    pairs, ids = np.repeat(np.arange(1024), 2).astype(str), np.arange(2048).astype(str)
    rows = Activations(X, ids=ids, y=y, pairs=pairs, sides=np.tile([0, 1], 1024))
    train, test = rows.select(np.arange(1024)), rows.select(np.arange(1024, 2048))
    drawn = []
    methods = {"mean difference": probes.MeanDifference(), "LAT": probes.LAT(), "LDA": probes.LDA()}
    methods["logistic on contrasts"] = LINEAR["contrast-logistic"]
    for name, probe in methods.items():
        curve = probes.pairs_curve(probe, train, test=test, counts=tuple(2**i for i in range(1, 10)), n_draws=10)
        drawn += [
            {"name": name, "x": n, "mean": m, "low": m - s, "high": m + s}
            for n, m, s in zip(curve.counts, curve.mean, curve.sd, strict=True)
        ]
    title = "Mean and sd of 10 draws"
    return lines(drawn, x="pairs", y="AUROC on fresh rows", title=title, log=True)


def counted() -> alt.LayerChart:
    """True and false rows 20 noise units apart along one of 300 axes, 500 pairs; directions one after the other."""
    drawn = []
    for name, probe in (
        ("CCS, no penalty", probes.CCS(l2=0.0, n_restarts=1)),
        ("CCS, l2 = 0.001", probes.CCS(l2=1e-3, n_restarts=1)),
        ("logistic, C = 0.001", probes.Logistic(C=1e-3)),
    ):
        found = []
        for seed in range(3):
            parts = [wide_pairs(seed=[seed, part]) for part in range(3)]
            census = probes.truth_census(
                probe, parts[0], calibration=parts[1], test=parts[2], n_directions=5, n_nulls=1
            )
            found.append(census.accuracies)
        drawn += [summed_up(name, k + 1, [one[k] for one in found]) for k in range(5)]
    title = "Each orthogonal to those before; mean and sd of 3 seeds"
    return lines(drawn, x="direction", y="accuracy on fresh pairs", title=title)


def wide_pairs(*, seed: list[int]) -> Activations:
    rng = np.random.default_rng(seed)
    first = rng.integers(2, size=500)
    y = np.stack([first, 1 - first], 1).ravel()
    X = rng.normal(size=(1000, 300)) + 20 * (y - 0.5)[:, None] * np.eye(300)[0]
    pairs = np.repeat(np.arange(500), 2).astype(str)
    return Activations(X, ids=np.arange(1000).astype(str), y=y, pairs=pairs, sides=np.tile([0, 1], 500))


def outliers() -> alt.HConcatChart:
    """The counterexample in 10 features: eraser, readers and judgement each on 1,000 rows of their own."""
    erasers: dict[str, Any] = {
        "rows as they are": None,
        "mean projection": erasure.MeanProjection(),
        "median projection": erasure.MedianProjection(),
    }
    readers: dict[str, erasure.Reader] = {"best threshold": "threshold", "logistic regression": "logistic"}
    drawn: dict[str, list[dict[str, Any]]] = {title: [] for title in readers}
    for p in (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4):
        found: dict[tuple[str, str], list[float]] = {(title, name): [] for title in readers for name in erasers}
        for seed in range(5):
            first = erasure.counterexample(1000, 10, p=p, random_state=3 * seed)
            fit, judge = (
                erasure.counterexample(1000, 10, p=p, direction=first.direction, random_state=3 * seed + part)
                for part in (1, 2)
            )
            for name, method in erasers.items():
                X, fresh = fit.X, judge.X
                if method is not None:
                    X, fresh = (method.fit(first.X, first.z).eraser_(rows) for rows in (X, fresh))
                for title, reader in readers.items():
                    scores = erasure.read(reader, X, y=fit.z, X_test=fresh, random_state=seed)
                    found[title, name].append(float(((scores > 0) == judge.z).mean()))
        for (title, name), values in found.items():
            drawn[title].append(summed_up(name, p, values))
    panels = [
        lines(
            rows, x="share of outliers", y="accuracy on fresh rows", title=f"{title}, mean and sd of 5 seeds"
        ).properties(width=260)
        for title, rows in drawn.items()
    ]
    return alt.hconcat(*panels).resolve_scale(y="shared", color="shared")


OTHERS = {
    "erasure": outliers,
    "diagnostics": pairs_needed,
    "census": counted,
    "ttpd": negations,
    "sequences": one_in_twenty,
    "sweeps": strengths,
    "mlp": exclusive_or,
}


def write(name: str, chart: alt.TopLevelMixin) -> None:
    svg = vl_convert.vegalite_to_svg(chart.configure_view(stroke="#cccccc").configure(background="white").to_dict())
    (HERE / f"{name}.svg").write_text(svg, encoding="utf-8")
    print(HERE / f"{name}.svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    chosen = parser.parse_args().names
    HERE.mkdir(exist_ok=True)
    for name, probe in LINEAR.items():
        if not chosen or name in chosen:
            write(name, alt.hconcat(*(panel(probe, kind) for kind in KINDS)))
    for name, draw_it in OTHERS.items():
        if not chosen or name in chosen:
            write(name, draw_it())


if __name__ == "__main__":
    main()
