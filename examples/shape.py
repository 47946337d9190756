"""Measure what the page on shape says: ``python examples/shape.py FOLDER [--model FOLDER]``.

First samples whose parts are known, over several seeds (``table.json``). Then the activations of the organisms facts
and coup, and those of a small language model where one is named, with its weights and gradients, on stories that it
writes itself (``NAME.json``, and ``NAME.html`` beside it).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tiltmeter import activations, anatomy, models, organisms, probes, report
from tiltmeter.core.files import write_json, write_text
from tiltmeter.core.shape import ModelShape
from tiltmeter.data import TextSet

N = 200_000
Maker = Callable[[np.random.Generator], NDArray[np.float64]]


def laplaces(k: int) -> Maker:
    """Add k Laplaces."""
    return lambda rng: np.sum([rng.laplace(size=N) for _ in range(k)], axis=0)


def sparse(rng: np.random.Generator) -> NDArray[np.float64]:
    """Add 300 parts, one in twenty of which is there."""
    return np.sum([rng.laplace(size=N) * (rng.random(N) < 0.05) for _ in range(300)], axis=0)


def kinds(rng: np.random.Generator) -> NDArray[np.float64]:
    """Fifty normals, each of a centre and a scale of its own."""
    centre, scale = 0.5 * rng.normal(size=50), np.exp(0.4 * rng.normal(size=50))
    of = rng.integers(50, size=N)
    return centre[of] + scale[of] * rng.normal(size=N)


SAMPLES: dict[str, Maker] = {
    "normal": lambda rng: rng.normal(size=N),
    "Laplace": laplaces(1),
    "logistic": lambda rng: rng.logistic(size=N),
    "sum of 5 Laplaces": laplaces(5),
    "sum of 30": laplaces(30),
    "sum of 300": laplaces(300),
    "sum of 300, 5 % active": sparse,
    "normal, exponential variance": lambda rng: rng.normal(size=N) * np.sqrt(rng.exponential(size=N)),
    "50 normals": kinds,
}


def table(n_seeds: int) -> dict[str, list[dict[str, object]]]:
    """Test every sample under every seed."""
    settings = anatomy.ShapeSettings(n_nulls=3)
    found: dict[str, list[dict[str, object]]] = {}
    for number, (name, make) in enumerate(SAMPLES.items()):
        for seed in range(n_seeds):
            one = anatomy.sample_shape(make(np.random.default_rng([seed, number])), name=name, settings=settings)
            found.setdefault(name, []).append(one.model_dump(mode="json"))
        print(name)
    return found


def stories(subject: models.SubjectModel) -> TextSet:
    """Let a model write: what it was made for is what it should be looked at on."""
    openings = ["Once upon a time"] * 16 + ["One day"] * 16
    written = models.generate(subject, openings, max_new_tokens=150, temperature=1.0)
    texts = tuple(f"{first}{rest}" for first, rest in zip(openings, written.texts, strict=True))
    return TextSet(np.arange(len(texts)).astype(str), texts=texts, distribution="its own stories")


def organism(name: str, chosen: str, site: str) -> ModelShape:
    """Test an organism at a site, along the direction of a probe for its label too."""
    subject = models.load(organisms.load(name).folder)
    texts = organisms.texts(name, chosen)
    texts = texts.select(np.arange(min(len(texts), 600)))
    rows = activations.collect(subject, texts, sites=[site])[site]
    probe = probes.MeanDifference().fit(rows.X, rows.y)
    return anatomy.model_shape(
        subject,
        texts,
        sites=[site],
        parts=["activations", "spectra"],
        directions={"mean difference": probe.as_direction(site=rows.site)},
    )


def main() -> None:
    """Write everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--seeds", type=int, default=5, help="of the samples; 0 leaves them out")
    asked = parser.parse_args()
    if asked.seeds:
        write_json(asked.folder / "table.json", table(asked.seeds))
    keep(asked.folder, "facts", organism("facts", "affirmative", "2.resid_post"))
    keep(asked.folder, "coup", organism("coup", "off_policy", "1.resid_post"))
    if asked.model is not None:
        subject = models.load(asked.model)
        found = anatomy.model_shape(subject, stories(subject), sites=["3.resid_post"], announce=print)
        keep(asked.folder, "stories", found)


def keep(folder: Path, name: str, record: ModelShape) -> None:
    """Write a record and its page."""
    write_json(folder / f"{name}.json", record.model_dump(mode="json"))
    write_text(folder / f"{name}.html", report.render_shape(record))


if __name__ == "__main__":
    main()
