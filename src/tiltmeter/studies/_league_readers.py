"""Every probe on one task: in distribution and elsewhere, beside text, luck, causes and what else was planted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.baselines import TEXT_BASELINES, fit_and_score
from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import DataError, TooFewNegativesError
from tiltmeter.core.evidence import Baseline, Candidate, Causal, Followed, RandomDirections
from tiltmeter.core.league import Draws, Measure, ReaderEntry
from tiltmeter.core.records import Estimate, Measured, Threshold, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.data import plain_texts
from tiltmeter.evaluation import (
    DirectionScores,
    auroc_columns,
    auroc_difference,
    choose,
    label_lead,
    operating_point,
    random_record,
    ranking_estimates,
    threshold_at_fpr,
)
from tiltmeter.studies._causes import causes
from tiltmeter.studies._league_fits import READERS, SEQUENCE, Placing, as_linear, place
from tiltmeter.studies._league_open import Opened, Scored, Scores
from tiltmeter.studies._league_tasks import asked_pairs
from tiltmeter.studies._material import nuisance_values
from tiltmeter.studies._transfer import Fitted


class Judged(NamedTuple):
    """What was measured of every probe of a task, and which site a study would choose."""

    readers: tuple[ReaderEntry, ...]
    chosen: str
    site: str
    rivals: tuple[Baseline, ...]
    random_directions: tuple[RandomDirections, ...]
    draws: tuple[Draws, ...]


class _Rivals(NamedTuple):
    """The rivals on every test set: text baselines by name, and the best random directions by site."""

    text: dict[str, Scored]
    luck: dict[str, Scored]

    def best_text(self, names: tuple[str, ...]) -> Scored:
        """Return the text rival that does best on these test rows: chosen in its favour."""
        return max(self.text.values(), key=lambda one: one.mean(names)[0])


def judge_readers(opened: Opened, *, announce: Callable[[str], None], methods: tuple[str, ...] = READERS) -> Judged:
    """Fit and judge every method on a task."""
    home, judging = opened.home, opened.judging
    pooled = {site: opened.material.part(home, "train", site) for site in opened.material.sites}
    held = {site: opened.material.part(home, "calibration", site) for site in opened.material.sites}
    announce("scoring text rivals and random directions")
    rivals = _Rivals({name: judging.judged(found) for name, found in _text_scores(opened).items()}, {})
    random = []
    for site in opened.material.sites:
        scores, figures = _random(opened, site)
        rivals.luck[site] = judging.judged(scores)
        random += figures
    placings: list[Placing] = []
    scored: dict[str, Scored] = {}
    calibration: dict[str, NDArray[Any]] = {}
    wanted = [method for method in methods if method not in SEQUENCE or opened.task.pooling != "last"]
    tokens: dict[tuple[str, str], dict[str, Activations]] = {}
    for method in wanted:
        announce(f"fitting {method}")
        reads_tokens = method in SEQUENCE
        if reads_tokens and not tokens:
            tokens = _tokens(opened)
        train, orient_on = (tokens[home, "train"], tokens[home, "calibration"]) if reads_tokens else (pooled, held)
        placing = place(opened, method, train=train, orient_on=orient_on)
        placings.append(placing)
        if placing.score is None or placing.site is None:
            continue
        rows = {
            name: tokens[name, "test"][placing.site]
            if reads_tokens
            else opened.material.part(name, "test", placing.site)
            for name in judging.tests
        }
        scored[method] = judging.judged({name: placing.score(acts) for name, acts in rows.items()})
        calibration[method] = placing.score(orient_on[placing.site])
    chosen = _chosen(placings, opened.material.sites)
    announce("swapping directions")
    caused = _caused(opened, placings)
    announce("judging")
    readers = []
    for placing in placings:
        if placing.site is None or placing.method not in scored:
            readers.append(_missing(opened, placing))
            continue
        readers.append(
            _entry(
                opened,
                placing,
                scored[placing.method],
                rivals=rivals,
                threshold=_certified(opened, calibration[placing.method]),
                cause=caused.get(placing.method, Unavailable(reason=_no_cause(opened))),
                is_chosen=placing is chosen,
            )
        )
    site = chosen.site or opened.material.sites[-1]
    return Judged(
        tuple(readers),
        chosen.method,
        site,
        _baselines(opened, rivals.text),
        tuple(random),
        tuple(_draws(opened, scored)),
    )


def _chosen(placings: list[Placing], sites: tuple[str, ...]) -> Placing:
    """Return what a study would take: the best on training folds among probes that name a direction, ties as there."""
    linear = {
        (site, one.method): one for site in sites for one in placings if one.probe is not None and one.site == site
    }
    if not linear:
        raise DataError("No method that names a direction could be fitted on a task of the league.")
    best = choose(
        [Candidate(site=site, method=name, auroc=one.folds, fold_aurocs=()) for (site, name), one in linear.items()]
    )
    return linear[best.site, best.method]


def _tokens(opened: Opened) -> dict[tuple[str, str], dict[str, Activations]]:
    found = {(name, "test"): opened.tokens(name, "test") for name in opened.judging.tests}
    found[opened.home, "train"] = _grouped(opened, opened.tokens(opened.home, "train"), "train")
    found[opened.home, "calibration"] = opened.tokens(opened.home, "calibration")
    return found


def _grouped(opened: Opened, by_site: dict[str, Activations], split: str) -> dict[str, Activations]:
    units = opened.material.units[opened.home][opened.material.splits[opened.home] == split]
    return {site: replace(acts, groups=units) for site, acts in by_site.items()}


def _text_scores(opened: Opened) -> dict[str, Scores]:
    train = opened.material.rows(opened.home, "train")
    tests = {name: plain_texts(opened.material.rows(name, "test")) for name in opened.judging.tests}
    return {
        rival.name: fit_and_score(rival, train=plain_texts(train), y=np.asarray(train.y), tests=tests)
        for rival in TEXT_BASELINES
    }


def _baselines(opened: Opened, rivals: Mapping[str, Scored]) -> tuple[Baseline, ...]:
    about = {rival.name: rival.description for rival in TEXT_BASELINES}
    return tuple(
        Baseline(
            name=rival,
            description=about[rival],
            train=opened.home,
            test=name,
            auroc=ranking_estimates(test.y, found.scores[name], fpr=opened.settings.fpr, by=test.by).auroc,
        )
        for rival, found in rivals.items()
        for name, test in opened.judging.tests.items()
    )


def _random(opened: Opened, site: str) -> tuple[Scores, list[RandomDirections]]:
    """Draw random directions at a site, each with the sign of the train rows, and return their figures.

    Scores are those of the best on the home's test rows, and elsewhere of the best on the mean over the sets there.
    """
    train = opened.material.part(opened.home, "train", site)
    rng = stream(opened.settings.seed, "random directions", site)
    drawn = rng.normal(size=(train.X.shape[1], opened.settings.n_random)).astype(train.X.dtype)
    areas = auroc_columns(np.asarray(train.y), train.X @ drawn)
    drawn = drawn * np.where(areas < 0.5, -1, 1).astype(drawn.dtype)
    on_train = np.maximum(areas, 1 - areas)
    scores = {name: opened.material.part(name, "test", site).X @ drawn for name in opened.judging.tests}
    found = {name: auroc_columns(test.y, scores[name]) for name, test in opened.judging.tests.items()}
    figures = [
        random_record(DirectionScores(on_train, column), site=site, train=opened.home, test=name)
        for name, column in found.items()
    ]
    best = {opened.home: int(np.argmax(found[opened.home]))}
    if opened.elsewhere:
        elsewhere = int(np.argmax(np.mean([found[name] for name in opened.elsewhere], axis=0)))
        best |= dict.fromkeys(opened.elsewhere, elsewhere)
    return {name: scores[name][:, column] for name, column in best.items()}, figures


def _certified(opened: Opened, scores: NDArray[Any]) -> Threshold | Unavailable:
    held = opened.material.part(opened.home, "calibration", opened.material.sites[0])
    is_negative = np.asarray(held.y) == 0
    try:
        return threshold_at_fpr(
            scores[is_negative],
            fpr=opened.settings.fpr,
            groups=np.asarray(held.groups)[is_negative],
            population=f"texts without the concept like those of {opened.home}",
        )
    except TooFewNegativesError as error:
        return Unavailable(reason=str(error))


def _caused(opened: Opened, placings: list[Placing]) -> dict[str, Causal]:
    """Swap along every direction in pairs of the home's test texts; empty where the model is asked for no answer."""
    if opened.task.answers is None:
        return {}
    fitted = [
        Fitted(opened.home, one.site, as_linear(one.method), one.probe)
        for one in placings
        if one.probe is not None and one.site is not None
    ]
    texts = asked_pairs(opened.task, opened.material.rows(opened.home, "test"))
    return {one.method: one for one in causes(opened.spec, texts, subject=opened.subject, fitted=fitted)}


def _no_cause(opened: Opened) -> str:
    if opened.task.answers is None:
        return "the model is asked for no answer after these texts"
    return "it names no direction"


def _entry(
    opened: Opened,
    placing: Placing,
    scored: Scored,
    *,
    rivals: _Rivals,
    threshold: Threshold | Unavailable,
    cause: Causal | Unavailable,
    is_chosen: bool,
) -> ReaderEntry:
    home, elsewhere, judging = opened.home, opened.elsewhere, opened.judging
    test, scores = judging.tests[home], scored.scores
    auroc = {
        name: ranking_estimates(one.y, scores[name], fpr=opened.settings.fpr, by=one.by).auroc
        for name, one in judging.tests.items()
    }
    worst, worst_set = _worst(opened, scores)
    luck, text = rivals.luck[placing.site or ""], rivals.best_text((home,))
    followed = _followed(opened, placing, scores)
    return ReaderEntry(
        method=placing.method,
        site=placing.site,
        folds=placing.folds,
        is_chosen=is_chosen,
        auroc=auroc,
        home=auroc[home],
        worst=worst,
        worst_set=worst_set,
        mean=judging.mean(scored, elsewhere),
        threshold=threshold,
        operating_points=tuple(
            operating_point(threshold, scores[name], test=one) for name, one in judging.tests.items()
        ),
        over_text=auroc_difference(test.y, scores[home], rival=text.scores[home], by=test.by),
        over_text_elsewhere=judging.lead(scored, rivals.best_text(elsewhere or (home,)), elsewhere),
        over_luck=auroc_difference(test.y, scores[home], rival=luck.scores[home], by=test.by),
        over_luck_elsewhere=judging.lead(scored, luck, elsewhere),
        cause=cause,
        followed=followed,
        follows=_follows(opened, followed, auroc),
    )


def _missing(opened: Opened, placing: Placing) -> ReaderEntry:
    reason = placing.folds if isinstance(placing.folds, Unavailable) else Unavailable(reason="it could not be fitted")
    return ReaderEntry(
        method=placing.method,
        site=None,
        folds=reason,
        is_chosen=False,
        auroc=dict.fromkeys(opened.judging.tests, reason),
        home=reason,
        worst=reason,
        worst_set=None,
        mean=reason,
        threshold=reason,
        operating_points=(),
        over_text=reason,
        over_text_elsewhere=reason,
        over_luck=reason,
        over_luck_elsewhere=reason,
        cause=reason,
        followed=(),
        follows="",
    )


def _worst(opened: Opened, scores: Scores) -> tuple[Measured, str | None]:
    """Return the least AUROC elsewhere, where it is, and its interval.

    The least of k is below the least upper bound and above the least lower bound of all k, each at 1 - (1 - level) / k.
    """
    k = len(opened.elsewhere)
    if not k:
        return Unavailable(reason="the task has no set elsewhere"), None
    level = 1 - (1 - opened.settings.level) / k
    found: dict[str, Estimate] = {}
    for name in opened.elsewhere:
        test = opened.judging.tests[name]
        measured = ranking_estimates(
            test.y, scores[name], fpr=opened.settings.fpr, by=test.by._replace(level=level)
        ).auroc
        if isinstance(measured, Unavailable):
            return measured, None
        found[name] = measured
    where = min(found, key=lambda name: found[name].value)
    least = found[where].model_copy(
        update={
            "low": min(one.low for one in found.values()),
            "high": min(one.high for one in found.values()),
            "level": opened.settings.level,
            "method": f"{found[where].method}, for the least of {k} sets",
        }
    )
    return least, where


def _followed(opened: Opened, placing: Placing, scores: Scores) -> tuple[Followed, ...]:
    found = []
    for column in opened.task.followed:
        for name, test in opened.judging.tests.items():
            texts = opened.material.texts[name]
            if column not in texts.meta or len(set(texts.meta[column])) != 2:
                continue
            values = nuisance_values(texts, column)[opened.material.splits[name] == "test"]
            agreement = float(np.mean(values == test.y))
            if agreement == 1.0 or len(np.unique(values)) < 2:
                continue
            found.append(
                Followed(
                    column=column,
                    site=placing.site or "",
                    method=placing.method,
                    test=name,
                    agreement=agreement,
                    auroc=ranking_estimates(values, scores[name], fpr=opened.settings.fpr, by=test.by).auroc,
                    lead=label_lead(test.y, scores[name], other=values, by=test.by),
                )
            )
    return tuple(found)


def _follows(opened: Opened, followed: tuple[Followed, ...], auroc: Mapping[str, Measured]) -> str:
    """Say what the score ranks above chance, and surely better than the other, on the set where the two differ."""
    here = [one for one in followed if one.test == opened.task.followed_on]
    if not here:
        return ""
    found, truth = here[0], auroc[here[0].test]
    if not isinstance(found.lead, Estimate) or not isinstance(truth, Estimate):
        return ""
    if found.lead.low > 0 and isinstance(found.auroc, Estimate) and found.auroc.low > 0.5:
        return opened.task.followed[found.column]
    if found.lead.high < 0 and truth.low > 0.5:
        return "the truth"
    return "neither for sure"


def _draws(opened: Opened, scored: Mapping[str, Scored]) -> list[Draws]:
    """Return the AUROCs of all methods under the resamplings that they share, to three more digits than are shown."""
    measures: list[tuple[Measure, tuple[str, ...]]] = [
        ("in distribution", (opened.home,)),
        ("elsewhere", opened.elsewhere),
    ]
    found = []
    for measure, names in measures:
        if not names or not scored:
            continue
        draws = np.stack([one.mean(names)[1] for one in scored.values()], axis=1)
        found.append(
            Draws(
                measure=measure,
                methods=tuple(scored),
                values=tuple(one.mean(names)[0] for one in scored.values()),
                draws=tuple(tuple(row) for row in np.round(draws, 5).tolist()),
                finest=1 / opened.judging.elsewhere(names).n_units,
            )
        )
    return found
