"""Run directories and monitors made by hand: a realistic record, scores that go with it, and no model."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.report.records import make_evidence, make_run
from tiltmeter.core.direction import Direction
from tiltmeter.core.evidence import Cell, Evidence, OperatingPoint
from tiltmeter.core.files import write_json
from tiltmeter.core.records import Threshold
from tiltmeter.core.site import Site
from tiltmeter.evaluation import auroc, judge, ranking_estimates, resampling, share
from tiltmeter.monitor import Card, Monitor, Reading

TESTS = ("facts", "facts negated")


def scored_rows(
    *, strength: float, n: int = 120, seed: int = 0, tests: tuple[str, ...] = TESTS, prefix: str = "", noise: int = 0
) -> dict[str, list[object]]:
    """Make test rows: ``seed`` draws what is hard in a text, ``noise`` what a probe adds, units hold two rows."""
    table: dict[str, list[object]] = {
        name: [] for name in ("distribution", "split", "id", "unit", "label", "score", "distance", "text_hash")
    }
    for k, test in enumerate(tests):
        hard = np.random.default_rng([seed, k]).normal(size=n)
        own = np.random.default_rng([seed, k, 1 + noise]).normal(size=n)
        for i in range(n):
            label = i % 2
            table["distribution"].append(test)
            table["split"].append("test")
            table["id"].append(f"{prefix}{i}")
            table["unit"].append(f"{i // 2}")
            table["label"].append(label)
            table["score"].append(strength * label + hard[i] + 0.3 * own[i])
            table["distance"].append(1.0)
            table["text_hash"].append(hashlib.sha256(f"{prefix}{test}{i}".encode()).hexdigest()[:16])
    return table


def make_folder(folder: Path, rows: dict[str, list[object]], *, threshold: float | None = 2.0) -> Evidence:
    """Write a run directory: ``evidence.json``, ``scores.parquet`` and ``run.json``."""
    evidence = evidence_of(rows, threshold=threshold)
    folder.mkdir(parents=True)
    pq.write_table(pa.table(rows), folder / "scores.parquet")
    write_json(folder / "evidence.json", evidence.model_dump(mode="json"))
    write_json(folder / "run.json", make_run().model_dump(mode="json"))
    return evidence


def evidence_of(rows: dict[str, list[object]], *, threshold: float | None = 2.0) -> Evidence:
    """Return the evidence of a probe that gave these scores; what scores cannot tell is made up."""
    names = tuple(dict.fromkeys(map(str, rows["distribution"])))
    full = make_evidence(names=names, certified=threshold is not None)
    cells, points = [], []
    for name in names:
        at = np.array([d == name for d in rows["distribution"]])
        y, s = np.array(rows["label"])[at], np.array(rows["score"], dtype=np.float64)[at]
        by = resampling(len(y), groups=np.array(rows["unit"])[at], n_draws=200)
        found = ranking_estimates(y, s, fpr=0.01, by=by)
        cells.append(
            Cell(
                site=full.site, method=full.method, train=full.train, test=name, auroc=found.auroc, tpr=found.tpr,
                n_positive=int(y.sum()), n_negative=int((1 - y).sum()),
            )
        )  # fmt: skip
        assert abs(auroc(y, s) - found.auroc.value) < 1e-12
        if threshold is not None:
            false = share(s[y == 0] > threshold)
            points.append(OperatingPoint(test=name, tpr=share(s[y == 1] > threshold), fpr=false, unit_fpr=false))
    certified = full.threshold
    if threshold is not None and isinstance(certified, Threshold):
        certified = certified.model_copy(update={"value": threshold})
    evidence = full.model_copy(
        update={"transfer": tuple(cells), "operating_points": tuple(points), "threshold": certified}
    )
    return evidence.model_copy(update={"verdict": judge(evidence)})


def make_monitor(folder: Path, evidence: Evidence, *, name: str = "truth", model: str = "Qwen/Qwen3-0.6B") -> Monitor:
    """Write a monitor that watches no model that is there, and return it."""
    reading = Reading(
        site=evidence.site, pooling="last", span="all", long_texts="refuse", dtype="float32", chat_template_sha256=None
    )
    card = Card(
        name=name,
        model=model,
        revision=None,
        model_fingerprint={"name": model, "revision": "0a1b2c", "dtype": "float32", "weights_sha256": "f" * 64},
        reading=reading,
        meaning=f"label 1 of {evidence.train}",
        threshold=evidence.threshold,
        data={},
    )
    direction = Direction(
        np.array([0.6, 0.8]), site=Site.parse(evidence.site), sign=1, method=evidence.method, evidence=evidence
    )
    monitor = Monitor(direction, card)
    monitor.save(folder)
    return monitor
