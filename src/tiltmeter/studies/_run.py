"""A study from spec to run directory."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from tiltmeter.core.errors import DataError
from tiltmeter.core.evidence import Evidence
from tiltmeter.core.files import new_folder, write_json
from tiltmeter.core.records import Threshold
from tiltmeter.core.run import Run
from tiltmeter.core.site import Site
from tiltmeter.models import SubjectModel
from tiltmeter.monitor import Card, Monitor, Reading, Reference, make_reference, write_card
from tiltmeter.report import write_report
from tiltmeter.studies._assess import Assessed, Steps, assess
from tiltmeter.studies._causes import check_causes
from tiltmeter.studies._fitting import methods_for
from tiltmeter.studies._material import Material, collect_material, open_material
from tiltmeter.studies._rivals import open_rivals
from tiltmeter.studies._scored_rows import write_scored_rows
from tiltmeter.studies._sources import open_model
from tiltmeter.studies._spec import StudySpec
from tiltmeter.studies._transfer import Fitted
from tiltmeter.studies._vectors import Vectors, is_vectors, open_vectors

_PACKAGES = ("tiltmeter", "torch", "transformers", "numpy", "scipy", "scikit-learn", "safetensors", "tokenizers")


class Study(NamedTuple):
    """What a study leaves behind: the run directory and the evidence that stands in it."""

    folder: Path
    evidence: Evidence


def run_study(spec: StudySpec, out: Path, *, announce: Callable[[str], None] = lambda _: None) -> Study:
    """Run a study and write its run directory: texts, activations, probes, evidence, verdict, report, monitor.

    The directory appears under its name only when it is complete; after any error nothing is left of it. Layer and
    method are chosen on folds of the training split, the threshold on the calibration split, and neither sees a test
    text.

    Parameters
    ----------
    spec
        What to do.
    out
        The run directory, which must not exist.
    announce
        Called with the name of each step as it begins.

    Returns
    -------
    The directory, holding ``run.json``, ``evidence.json``, ``report.html``, ``scores.parquet`` (of the chosen
    probe, row by row), ``probes/SITE/METHOD.safetensors`` for every probe fitted on the training distribution, and,
    unless ready vectors were read, ``monitors/best/`` with its card.

    Raises
    ------
    TiltmeterError
        If the spec, the texts, the model or the directory are not as needed.

    Examples
    --------
    >>> import tempfile
    >>> from tiltmeter.studies import parse_spec
    >>> spec = parse_spec({
    ...     "name": "facts", "model": {"path": "organism:facts"}, "texts": {"said": "organism:facts/affirmative"},
    ...     "train": {"distribution": "said", "folds": 2}, "read": {"sites": ["-1.resid_post"]},
    ...     "probes": {"methods": ["lda"]}, "evidence": {"bootstrap": 100, "shuffles": 19},
    ... })
    >>> run_study(spec, Path(tempfile.mkdtemp()) / "run").evidence.method
    'lda'
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    steps = Steps(announce)
    with new_folder(out) as folder:
        with steps("reading and splitting the texts"):
            material = open_material(spec)
            methods = methods_for(spec, material)
        with steps("loading the model"):
            reader = open_vectors(spec.model.path) if is_vectors(spec) else open_model(spec.model, announce=announce)
            check_causes(spec, material, reader)
            readers = open_rivals(spec, reader)
        with steps("collecting activations"):
            material = collect_material(material, reader, spec.read, progress=announce)
        found = assess(spec, material, methods=methods, reader=reader, readers=readers, steps=steps)
        evidence = found.evidence
        with steps("writing the run"):
            _save_probes(folder, [f for f in found.fitted if f.train == evidence.train])
            if not isinstance(reader, Vectors):  # a monitor watches a model
                _monitor(spec, material, reader, found=found).save(folder / "monitors" / "best")
                write_card(folder / "monitors" / "best")
            distances = found.detected.distances if found.detected is not None else None
            write_scored_rows(folder, material, found.chosen, distances=distances)
            write_json(folder / "evidence.json", evidence.model_dump(mode="json"))
        run = Run(
            name=spec.name,
            status="complete",
            started=started,
            seconds=steps.seconds,
            spec=spec.model_dump(mode="json", exclude_unset=True),
            resolved=spec.model_dump(mode="json"),
            seed=spec.seed,
            commit=_commit(),
            versions={name: metadata.version(name) for name in _PACKAGES},
            platform=platform.platform(),
            model=reader.fingerprint if isinstance(reader, Vectors) else reader.fingerprint.model_dump(mode="json"),
        )
        write_json(folder / "run.json", run.model_dump(mode="json"))
        announce("writing the report")
        write_report(folder)
    return Study(out, evidence)


def _save_probes(folder: Path, fitted: list[Fitted]) -> None:
    for probe in fitted:
        direction = probe.probe.as_direction(site=Site.parse(probe.site), provenance={"train": probe.train})
        direction.save(folder / "probes" / probe.site, stem=probe.method)


def _monitor(spec: StudySpec, material: Material, subject: SubjectModel, *, found: Assessed) -> Monitor:
    evidence, chosen = found.evidence, found.chosen
    provenance = {"train": chosen.train, "study": spec.name, "seed": spec.seed}
    direction = replace(
        chosen.probe.as_direction(site=Site.parse(chosen.site), provenance=provenance), evidence=evidence
    )
    # by the name that was asked for: where a folder stands on this machine is nobody's business
    fingerprint = {**subject.fingerprint.model_dump(mode="json"), "name": spec.model.path}
    reading = Reading(
        site=chosen.site,
        pooling=spec.read.pooling,
        span=material.texts[chosen.train].span,
        long_texts=spec.read.long_texts,
        skip_first=spec.read.skip_first,
        dtype=spec.model.dtype,
        chat_template_sha256=subject.fingerprint.chat_template_sha256,
    )
    card = Card(
        name=spec.name,
        model=spec.model.path,
        revision=spec.model.revision,
        model_fingerprint=fingerprint,
        reading=reading,
        meaning=f"label 1 of {chosen.train}",
        threshold=evidence.threshold,
        data={name: texts.fingerprint() for name, texts in material.texts.items()},
    )
    can_tell = found.detected is not None and isinstance(found.detected.detector.threshold, Threshold)
    monitor = Monitor(direction, card, found.detected.detector if found.detected is not None and can_tell else None)
    return replace(monitor, reference=_reference(monitor, material, subject, chosen=chosen))


def _reference(monitor: Monitor, material: Material, subject: SubjectModel, *, chosen: Fitted) -> Reference | None:
    """Choose reference texts among the calibration texts; None where these are too few, or cannot be told apart."""
    texts = material.rows(chosen.train, "calibration")
    scores = monitor.direction.score(material.part(chosen.train, "calibration", chosen.site).X)
    try:
        return make_reference(
            monitor,
            subject,
            texts=texts,
            scores=scores,
            drawn_from=f"{len(texts)} calibration texts of {chosen.train}",
        )
    except DataError:
        return None


def _commit() -> str | None:
    """Return the commit of the source tree that is running, or None where it is not a checkout."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=5,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
