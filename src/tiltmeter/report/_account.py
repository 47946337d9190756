"""The end of the page: mistakes, leaks, data, what was run, and how to read it all."""

from __future__ import annotations

from typing import Any, NamedTuple

from tiltmeter.core.evidence import Evidence, Leak, Mistake
from tiltmeter.core.run import Run
from tiltmeter.report._format import DASH, Clipped, asked, clip, decimal, outline, score
from tiltmeter.report._lookup import Lookup

SHOWN = 6
"""Mistakes per test set that are shown unopened."""
SPLITS = ("train", "calibration", "test")


class Wrong(NamedTuple):
    """A text that the probe gets wrong."""

    id: str
    text: Clipped
    label: int
    score: str
    rank: str
    place: float


class WrongSet(NamedTuple):
    """The mistakes on one test set: those shown at once, and the rest."""

    test: str
    worst: tuple[Wrong, ...]
    more: tuple[Wrong, ...]


class Pair(NamedTuple):
    """A text that stands in both splits."""

    kind: str
    similarity: str
    train_id: str
    train_text: Clipped
    test_id: str
    test_text: Clipped


class Leaks(NamedTuple):
    """What the leakage check found."""

    n_exact: str
    n_near: str
    near_threshold: str
    clean: bool
    examples: tuple[Pair, ...]


class Source(NamedTuple):
    """One distribution as it was used; the per-split figures stand in the order of ``DataTable.splits``."""

    name: str
    source: str
    fingerprint: str
    whole_fingerprint: str
    splits: tuple[tuple[str, ...], ...]
    grouped_by: str
    truncated: str


class DataTable(NamedTuple):
    """All distributions."""

    splits: tuple[str, ...]
    sources: tuple[Source, ...]


class Account(NamedTuple):
    """What was run."""

    facts: tuple[tuple[str, str], ...]
    seconds: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    model: str
    resolved: str
    passed: str


class Term(NamedTuple):
    """A word and what it means here."""

    word: str
    meaning: str


def mistakes_section(look: Lookup) -> tuple[WrongSet, ...]:
    """Lay out the texts that the chosen probe gets most wrong, per test set."""
    mistakes = look.evidence.mistakes
    tests = dict.fromkeys(m.test for m in mistakes)
    made = {test: tuple(_wrong(m) for m in mistakes if m.test == test) for test in tests}
    return tuple(WrongSet(test, wrong[:SHOWN], wrong[SHOWN:]) for test, wrong in made.items())


def leaks_section(evidence: Evidence) -> Leaks:
    """Lay out the leakage check."""
    leakage = evidence.leakage
    return Leaks(
        n_exact=f"{leakage.n_exact:,}",
        n_near=f"{leakage.n_near:,}",
        near_threshold=decimal(leakage.near_threshold),
        clean=leakage.n_exact == 0 and leakage.n_near == 0,
        examples=tuple(_pair(leak) for leak in leakage.examples),
    )


def data_section(evidence: Evidence) -> DataTable:
    """Lay out the distributions: rows, groups and positives per split."""
    used = dict.fromkeys(split for d in evidence.distributions for split in d.rows)
    splits = tuple(s for s in SPLITS if s in used) + tuple(s for s in used if s not in SPLITS)
    sources = tuple(
        Source(
            name=d.name,
            source=d.source,
            fingerprint=d.fingerprint[:12],
            whole_fingerprint=d.fingerprint,
            splits=tuple(_counts(d.rows, d.groups, d.positives, split=s) for s in splits),
            grouped_by=d.grouped_by,
            truncated=f"{d.truncated:,}",
        )
        for d in evidence.distributions
    )
    return DataTable(splits, sources)


def account_section(run: Run) -> Account:
    """Lay out what was run, in the order of the record."""
    facts = (
        ("Run", run.name),
        ("Status", run.status),
        ("Started", run.started),
        ("Seed", str(run.seed)),
        ("Commit", run.commit or "not recorded"),
        ("Platform", run.platform),
    )
    return Account(
        facts=facts,
        seconds=tuple((step, _seconds(value)) for step, value in run.seconds.items()),
        versions=tuple(run.versions.items()),
        model=outline(run.model) if run.model else "not recorded",
        resolved=outline(run.resolved) if run.resolved else "empty",
        passed=outline(run.spec) if run.spec else "empty",
    )


def glossary(evidence: Evidence) -> tuple[Term, ...]:
    """Explain the words of the page, with this run's own levels and interval methods."""
    methods = sorted(_interval_methods(evidence.model_dump()))
    level, fpr = asked(evidence.level), asked(evidence.fpr)
    return (
        Term(
            "AUROC",
            "The chance that a random positive text scores above a random negative one (ties count half). 0.50 is "
            "guessing, 1.00 is perfect order, below 0.50 is the wrong way round. It says nothing about any threshold.",
        ),
        Term(
            f"TPR at {fpr} FPR",
            f"The share of positives caught by a threshold that lets {fpr} of the negatives of the same test set "
            "through. It describes the scores of that set; the threshold that ships is set on calibration negatives.",
        ),
        Term(
            "TPR and FPR at the threshold",
            "The shares of positive and of negative rows of a test set above the threshold that ships. The unit FPR "
            "counts a group as one alarm when any of its negative rows raises one.",
        ),
        Term(
            "[low, high]",
            f"A {level} interval. Methods used on this page: {'; '.join(methods) or 'none'}. Hold the pointer over a "
            "figure to see its method, the number of units and the seed.",
        ),
        Term(
            "Guarantee",
            "The bound on false alarms holds for fresh units drawn like the calibration units, with the stated "
            "confidence over the draw of the calibration set or, where the page says so, on average over such draws "
            "only. It does not hold for other texts, and the false-positive rates measured on other test sets may well "
            "exceed it.",
        ),
        Term(
            "Text baseline",
            "A classifier that sees the text but not the model, on the same split. A probe that does not beat it shows "
            "nothing about what the model knows. The difference is paired: same rows, same resamples.",
        ),
        Term(
            "Shuffled labels or pairs",
            "The same probe fitted after its labels (or its pairs, if it learns from those) were shuffled: what the "
            "procedure finds where there is nothing. p is "
            "(1 + shuffles that do as well) / (1 + shuffles).",
        ),
        Term(
            "Random directions",
            "Directions drawn without looking at the data and oriented on train rows. The best of them has looked at "
            "the test labels: it is what luck alone can reach.",
        ),
        Term(DASH, "There is no figure; the reason stands below the table and under the pointer. It never means 0."),
        Term(
            "⚠",
            "An interval that reaches no effect (0.50 for an AUROC, 0 for a difference) or lies on its wrong side, a "
            "random direction that does as well as the probe, or a false-positive rate above the target. It marks "
            "where to look; the verdict has its own rules.",
        ),
    )


def _wrong(mistake: Mistake) -> Wrong:
    return Wrong(
        id=mistake.id,
        text=clip(mistake.text),
        label=mistake.label,
        score=score(mistake.score),
        rank=decimal(mistake.rank),
        place=mistake.rank,
    )


def _pair(leak: Leak) -> Pair:
    return Pair(
        kind=leak.kind,
        similarity=decimal(leak.similarity),
        train_id=leak.train_id,
        train_text=clip(leak.train_text),
        test_id=leak.test_id,
        test_text=clip(leak.test_text),
    )


def _counts(rows: dict[str, int], groups: dict[str, int], positives: dict[str, int], *, split: str) -> tuple[str, ...]:
    if split not in rows:
        return ("none",)
    parts = [f"{rows[split]:,} rows"]
    parts += [f"{groups[split]:,} groups"] if split in groups else []
    parts += [f"{positives[split]:,} positive"] if split in positives else []
    return tuple(parts)


def _seconds(value: float) -> str:
    return f"{value:.2g} s" if value < 10 else f"{value:,.0f} s"


def _interval_methods(value: Any) -> set[str]:  # noqa: ANN401  (a dumped record is any JSON)
    if isinstance(value, dict):
        own = {str(value["method"])} if value.get("kind") == "estimate" else set()
        return own.union(*(_interval_methods(item) for item in value.values()))
    if isinstance(value, list | tuple):
        return set().union(*(_interval_methods(item) for item in value))
    return set()
