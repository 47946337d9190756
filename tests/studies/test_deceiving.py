"""Ten studies built to deceive: the verdict names the fault in each. Ten honest ones: it finds none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from tiltmeter.core.evidence import Evidence, Verdict
from tiltmeter.core.records import Threshold, Unavailable
from tiltmeter.data import TextSet, write_texts
from tiltmeter.studies import parse_spec, run_study

_WIDTH = 12
_AXIS = np.eye(_WIDTH)[0]
_OTHER = np.eye(_WIDTH)[1]


class Set(NamedTuple):
    """Texts of a distribution with one vector each."""

    texts: list[str]
    y: NDArray[np.int64]
    X: NDArray[np.float64]
    groups: NDArray[np.str_] | None = None
    meta: dict[str, tuple[int, ...]] = {}  # noqa: RUF012  (never changed)


def _fill(n: int, rng: np.random.Generator, *, n_words: int = 8, tag: str = "") -> list[str]:
    """Write texts of words that have nothing to do with anything, no two alike."""
    drawn = rng.integers(20, size=(n, n_words))
    return [f"{tag}{i} " + " ".join(f"w{word}" for word in words) for i, words in enumerate(drawn)]


def _honest(
    n: int = 480,
    *,
    rng: np.random.Generator,
    gap: float = 5.0,
    share: float = 0.5,
    tag: str = "t",
    per_group: int = 2,
    axis: NDArray[np.float64] = _AXIS,
) -> Set:
    y = (rng.permutation(n) < share * n).astype(np.int64)
    X = rng.normal(size=(n, _WIDTH)) + gap * (y[:, None] - 0.5) * axis
    return Set(_fill(n, rng, tag=tag), y, X, np.array([f"{tag}{i // per_group}" for i in range(n)]))


def _run(folder: Path, sets: dict[str, Set], **changes: Any) -> Evidence:
    """Write the sets and their vectors, and run a study that learns on the first."""
    words: dict[str, NDArray[np.float64]] = {}
    for name, one in sets.items():
        words |= dict(zip(one.texts, one.X, strict=True))
        texts = TextSet(
            np.array([str(i) for i in range(len(one.texts))]),
            texts=tuple(one.texts),
            y=one.y,
            groups=one.groups,
            meta={key: tuple(values) for key, values in one.meta.items()},
            distribution=name,
        )
        write_texts(texts, folder / f"{name}.jsonl")
    np.savez(folder / "v.npz", words=np.array(list(words)), X=np.array(list(words.values())).astype(np.float32))
    spec = {
        "name": "s",
        "model": {"path": f"vectors:{folder / 'v.npz'}"},
        "texts": {name: str(folder / f"{name}.jsonl") for name in sets},
        "train": {"distribution": next(iter(sets)), "folds": 3},
        "probes": {"methods": ["mean_difference", "lda"]},
        "threshold": {"fpr": 0.1},  # 29 negative units certify it
        "evidence": {"bootstrap": 200, "shuffles": 19, "random_directions": 50},
    }
    for key, value in changes.items():
        spec[key] = {**spec.get(key, {}), **value}  # type: ignore[dict-item]
    return run_study(parse_spec(spec), folder / "run").evidence


def _against(evidence: Evidence) -> set[tuple[str, str | None]]:
    assert isinstance(evidence.verdict, Verdict)
    return {(s.rule, s.test) for s in evidence.verdict.statements if s.stance == "against"}


# ten that deceive: what is built, the rule that must speak against it, and of which test set


def _leaked(folder: Path, rng: np.random.Generator) -> Evidence:
    """A third of the texts stand twice, in other groups, so that copies cross the split."""
    one = _honest(rng=rng)
    again = rng.permutation(480)[:160]
    assert one.groups is not None
    groups = np.array([*one.groups, *(f"copy{i}" for i in range(160))])
    return _run(
        folder,
        {
            "home": Set(
                one.texts + [one.texts[i] for i in again], np.append(one.y, one.y[again]), one.X, groups
            )._replace(X=np.concatenate([one.X, one.X[again]]))
        },
    )


def _length(folder: Path, rng: np.random.Generator) -> Evidence:
    """Positive texts are longer."""
    one = _honest(rng=rng)
    texts = [text + " and on" * (6 * int(y) + int(rng.integers(2))) for text, y in zip(one.texts, one.y, strict=True)]
    return _run(folder, {"home": one._replace(texts=texts)})


def _bag(folder: Path, rng: np.random.Generator) -> Evidence:
    """Every text says its label in one of a few words."""
    one = _honest(rng=rng)
    said = np.array([["bad", "awful", "poor"], ["good", "fine", "great"]])
    texts = [f"{text} {said[y, rng.integers(3)]}" for text, y in zip(one.texts, one.y, strict=True)]
    return _run(folder, {"home": one._replace(texts=texts)})


def _distractor(folder: Path, rng: np.random.Generator) -> Evidence:
    """A louder feature goes with the label in four of five texts."""
    one = _honest(rng=rng, gap=1.0)
    loud = np.where(rng.random(480) < 0.8, one.y, 1 - one.y)
    X = one.X + 8 * (loud[:, None] - 0.5) * _OTHER
    return _run(
        folder,
        {"home": one._replace(X=X, meta={"loud": tuple(loud.tolist())})},
        evidence={"nuisances": ["loud"]},
    )


def _wrong_sign(folder: Path, rng: np.random.Generator) -> Evidence:
    """In the other set the label means the opposite."""
    home, other = _honest(rng=rng), _honest(rng=rng, tag="o")
    return _run(folder, {"home": home, "other": other._replace(y=1 - other.y)})


def _rare(folder: Path, rng: np.random.Generator) -> Evidence:
    """One text in a hundred is positive."""
    return _run(folder, {"home": _honest(800, rng=rng, share=0.02, per_group=1)}, train={"folds": 2})


def _tiny(folder: Path, rng: np.random.Generator) -> Evidence:
    """Sixty texts in all."""
    return _run(folder, {"home": _honest(60, rng=rng, per_group=1)}, train={"folds": 2})


def _grouped(folder: Path, rng: np.random.Generator) -> Evidence:
    """Texts of one author have one label and stand on both sides of the split; nobody says who wrote what."""
    authors = np.repeat(np.arange(60), 8)
    y = np.repeat(rng.permutation(60) % 2, 8)
    styles = rng.normal(size=(60, _WIDTH))
    X = styles[authors] * 3 + rng.normal(size=(480, _WIDTH))
    texts = [f"{text} signed author{author}" for text, author in zip(_fill(480, rng), authors, strict=True)]
    return _run(folder, {"home": Set(texts, y, X)})


def _shifted(folder: Path, rng: np.random.Generator) -> Evidence:
    """In the other set the concept lies along another direction, and every text is moved."""
    home, other = _honest(rng=rng), _honest(rng=rng, tag="o", axis=_OTHER)
    return _run(folder, {"home": home, "other": other._replace(X=other.X + 3 * _AXIS)})


def _seen(folder: Path, rng: np.random.Generator) -> Evidence:
    """The calibration texts are training texts once more, in other groups."""
    one = _honest(320, rng=rng, per_group=1)
    order = np.tile(np.arange(320), 3)
    texts = [one.texts[i] for i in order]
    groups = np.array([f"g{i}" for i in range(960)])
    return _run(folder, {"home": Set(texts, one.y[order], one.X[order], groups)})


@pytest.mark.long
@pytest.mark.parametrize(
    ("build", "rule", "test"),
    [
        (_leaked, "leakage", "home"),
        (_length, "text alone", "home"),
        (_bag, "text alone", "home"),
        (_distractor, "shortcut", "home"),
        (_wrong_sign, "transfer", "other"),
        (_rare, "rare class", "home"),
        (_tiny, "size", "home"),
        (_grouped, "kinship", "home"),
        (_shifted, "false alarms", "other"),
        (_seen, "threshold", None),
    ],
)
def test_the_verdict_names_the_fault(
    build: Callable[[Path, np.random.Generator], Evidence], rule: str, test: str | None, tmp_path: Path
) -> None:
    evidence = build(tmp_path, np.random.default_rng(0))
    assert (rule, test) in _against(evidence)
    assert isinstance(evidence.verdict, Verdict)
    assert evidence.verdict.outcome != "holds"
    if build is _seen:
        assert isinstance(evidence.threshold, Unavailable)
        assert "copies of training texts" in evidence.threshold.reason


# ten that are honest

_HONEST: dict[str, Callable[[np.random.Generator], dict[str, Set]]] = {
    "one set": lambda rng: {"home": _honest(rng=rng)},
    "a wider gap": lambda rng: {"home": _honest(rng=rng, gap=6.0)},
    "larger groups": lambda rng: {"home": _honest(640, rng=rng, per_group=4)},
    "every text for itself": lambda rng: {"home": _honest(rng=rng, per_group=1)},
    "few positives": lambda rng: {"home": _honest(rng=rng, share=0.25)},
    "many positives": lambda rng: {"home": _honest(800, rng=rng, share=0.6)},
    "another set": lambda rng: {"home": _honest(rng=rng), "other": _honest(rng=rng, tag="o")},
    "two other sets": lambda rng: {name: _honest(rng=rng, tag=name) for name in ("home", "other", "third")},
    "two directions": lambda rng: {
        name: _honest(rng=rng, tag=name, axis=(_AXIS + _OTHER) / np.sqrt(2)) for name in ("home", "other")
    },
    "more texts": lambda rng: {"home": _honest(1200, rng=rng)},
}


@pytest.mark.long
@pytest.mark.parametrize("name", list(_HONEST))
def test_the_verdict_finds_no_fault_in_an_honest_study(name: str, tmp_path: Path) -> None:
    evidence = _run(tmp_path, _HONEST[name](np.random.default_rng(1)))
    assert _against(evidence) == set()
    assert isinstance(evidence.verdict, Verdict)
    assert evidence.verdict.outcome == "holds"
    assert isinstance(evidence.threshold, Threshold)
