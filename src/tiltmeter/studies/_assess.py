"""Everything that the evidence holds, measured on collected activations."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tiltmeter.baselines import Rival
from tiltmeter.core.evidence import Candidate, Causal, Evidence, best_sites
from tiltmeter.core.records import Unavailable
from tiltmeter.evaluation import HeldOut, choose, judge
from tiltmeter.models import SubjectModel
from tiltmeter.studies._alarms import alarms
from tiltmeter.studies._calibrated import probabilities
from tiltmeter.studies._causes import causes, choose_by_cause
from tiltmeter.studies._controls import random_nulls, shortcuts, shuffled_refits
from tiltmeter.studies._fitting import asked_methods
from tiltmeter.studies._generalise import generalise
from tiltmeter.studies._hiding import hiding
from tiltmeter.studies._leaks import leaks
from tiltmeter.studies._likeness import Detected, detect
from tiltmeter.studies._material import Material, describe
from tiltmeter.studies._nulls import lesser_knowledge
from tiltmeter.studies._planted import followed, planted_in
from tiltmeter.studies._rivals import rivals
from tiltmeter.studies._select import candidates
from tiltmeter.studies._spec import Method, StudySpec
from tiltmeter.studies._surface import surface
from tiltmeter.studies._transfer import Fits, Fitted, fit_all, gaps, test_scores, test_sets, transfer
from tiltmeter.studies._vectors import Vectors


class Steps:
    """Announces each step and keeps how long it took."""

    def __init__(self, announce: Callable[[str], None]) -> None:
        self.announce = announce
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self.announce(name)
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)


class Assessed(NamedTuple):
    """The evidence, all probes and the chosen one, and what tells unlike texts."""

    evidence: Evidence
    fitted: tuple[Fitted, ...]
    chosen: Fitted
    detected: Detected | None


class _Chosen(NamedTuple):
    """Site and method, and what they were chosen among."""

    best: Candidate | Causal
    candidates: tuple[Candidate, ...]
    causal_candidates: tuple[Causal, ...]


class _Case(NamedTuple):
    """What is judged, and on what."""

    spec: StudySpec
    material: Material
    tests: dict[str, HeldOut]
    fits: Fits
    chosen: Fitted
    best_sites: dict[str, str]
    reader: SubjectModel | Vectors
    steps: Steps


# of each of the functions below: figures by the names of the evidence's fields
_Figures = dict[str, Any]


def assess(
    spec: StudySpec,
    material: Material,
    *,
    methods: tuple[Method, ...],
    reader: SubjectModel | Vectors,
    readers: tuple[Rival, ...],
    steps: Steps,
) -> Assessed:
    """Choose site and method, fit, and measure everything that the evidence holds."""
    home = spec.train.distribution
    with steps("choosing site and method on training folds"):
        choice = _choose(spec, material, methods, reader)
    with steps("fitting probes"):
        fits = fit_all(spec, material, methods)
        key = (home, choice.best.site, choice.best.method)
        chosen = next(probe for probe in fits.fitted if (probe.train, probe.site, probe.method) == key)
    sites = best_sites(choice.candidates, chosen=(chosen.method, chosen.site))
    case = _Case(spec, material, test_sets(spec, material), fits, chosen, sites, reader, steps)
    carried, doubted = _carried(case), _doubted(case)
    rivalled, operated, detected = _rivalled(case, readers), *_operated(case)
    evidence = Evidence(
        train=home,
        site=chosen.site,
        method=chosen.method,
        sites=material.sites,
        methods=methods,
        left_out=tuple(method for method in asked_methods(spec) if method not in methods),
        distributions=describe(material),
        fpr=spec.threshold.fpr,
        level=spec.evidence.level,
        chosen_by=spec.probes.choose_by,
        candidates=choice.candidates,
        causal_candidates=choice.causal_candidates,
        gaps=(*carried.pop("gaps"), *rivalled.pop("gaps")),
        verdict=Unavailable(reason="not judged yet"),
        **carried,
        **doubted,
        **rivalled,
        **operated,
    )
    return Assessed(evidence.model_copy(update={"verdict": judge(evidence)}), fits.fitted, chosen, detected)


def _choose(
    spec: StudySpec, material: Material, methods: tuple[Method, ...], reader: SubjectModel | Vectors
) -> _Chosen:
    judged = candidates(spec, material, methods)
    # of ready vectors this was refused at once
    if spec.probes.choose_by == "cause" and isinstance(reader, SubjectModel):
        by_cause = choose_by_cause(spec, material, methods, subject=reader)
        return _Chosen(by_cause[0], judged, by_cause)
    return _Chosen(choose(judged), judged, ())


def _carried(case: _Case) -> _Figures:
    """Judge what carries over: to other sets, from other sets, from fewer texts."""
    spec, material, tests = case.spec, case.material, case.tests
    with case.steps("judging transfer"):
        cells = transfer(case.fits, material, tests, fpr=spec.threshold.fpr)
        recovered = gaps(case.fits, material, tests, home=case.chosen.train, sites=case.best_sites)
    with case.steps("fitting on other texts and on fewer"):
        generalised = generalise(spec, material, tests, case.chosen)
    return {"transfer": cells, "gaps": recovered, **generalised._asdict()}


def _doubted(case: _Case) -> _Figures:
    """Measure nulls, nuisances, causes and what was planted."""
    spec, material, tests, chosen, fitted = case.spec, case.material, case.tests, case.chosen, case.fits.fitted
    with case.steps("drawing nulls"):
        found: _Figures = {
            "random_directions": random_nulls(spec, material, tests),
            "shuffled": shuffled_refits(spec, material, tests, chosen),
            "shortcuts": shortcuts(spec, material, tests, fitted),
        }
    with case.steps("fitting what knows less"):
        found |= lesser_knowledge(spec, material, tests, chosen=chosen, reader=case.reader)._asdict()
    if isinstance(case.reader, SubjectModel) and spec.evidence.answers is not None:
        with case.steps("swapping and ablating directions"):
            texts = material.rows(chosen.train, "test")
            found["causal"] = causes(spec, texts, subject=case.reader, fitted=fitted)
    with case.steps("holding probes against what was planted"):
        found["planted"] = planted_in(spec, material)
        found["followed"] = followed(spec, found["planted"], material, tests, fitted)
    return found


def _rivalled(case: _Case, readers: tuple[Rival, ...]) -> _Figures:
    """Measure rivals, and what the surface of the texts gives away."""
    spec, material, tests, chosen = case.spec, case.material, case.tests, case.chosen
    with case.steps("judging rivals"):
        told = rivals(readers, material, tests, chosen)
    with case.steps("looking at the surface of the texts"):
        scores = {"probe": test_scores(chosen, material, tests), **told.scores}
        on_surface = surface(spec, material, tests, scores)
    return {
        "baselines": told.baselines,
        "advantages": told.advantages,
        "best_rivals": told.best,
        "gaps": told.gaps,
        **on_surface._asdict(),
    }


def _operated(case: _Case) -> tuple[_Figures, Detected | None]:
    """Set the threshold, see what it does, and what would hide from it; turn scores into probabilities."""
    spec, material, tests, chosen = case.spec, case.material, case.tests, case.chosen
    with case.steps("looking for leakage"):
        leakage = leaks(material, tests, chosen.train)
    with case.steps("certifying the threshold"):
        operated = alarms(spec, material, tests, chosen=chosen, leakage=leakage)
    with case.steps("calibrating probabilities"):
        calibrated = probabilities(material, tests, chosen=chosen, leakage=leakage)
    with case.steps("looking for texts that are unlike, and for what hides"):
        detected = detect(spec, material, tests, chosen=chosen, threshold=operated.threshold)
        hidden = hiding(spec, material, tests, chosen=chosen, threshold=operated.threshold)
    figures: _Figures = {
        "leakage": leakage,
        "probabilities": calibrated,
        "likeness": detected.likeness if detected is not None else None,
        "hiding": hidden,
        **operated._asdict(),
    }
    return figures, detected
