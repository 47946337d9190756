"""Erase the gender of words from ready word vectors, and audit every eraser on words that it never saw.

    python examples/erase_gender.py VECTORS.npz [--professions PROFESSIONS.jsonl] [--seed 0] [--shuffles 5] [--save F]

VECTORS.npz holds ``words`` (n strings), ``X`` (n, d), and ``kinds`` (n strings) in which opinion words are named
"positive" or "negative". The concept is the gender of the words in words/kin.csv, roles.csv and names.csv: half of
their groups fit the eraser, a quarter the readers, a quarter judge. Opinion words are the concept that should stay.
PROFESSIONS.jsonl holds one profession a line as ``text``, and its stereotype as ``label``, from −1 (female) to 1
(male): what is erased with gender although no profession is a gendered word.
"""

from __future__ import annotations

import argparse
import csv
import json
import warnings
from pathlib import Path

import numpy as np

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ConvergenceWarning
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.erasure import INLP, LEACE, RLACE, SAL, Audit, MeanProjection, MedianProjection, audit

WORDS = Path(__file__).parent / "words"
METHODS = {
    "mean projection": MeanProjection(),
    "median projection": MedianProjection(),
    "SAL": SAL(),
    "LEACE": LEACE(),
    # the words are fewer than the features: unshrunk, LEACE moves fresh words along directions that it never saw vary
    "LEACE, shrinkage 0.1": LEACE(shrinkage=0.1),
    "INLP": INLP(),
    "RLACE": RLACE(1),
}
COLUMNS = ("logistic", "hinge", "threshold", "mlp", "neighbours", "boosting", "covariances")


def gendered(rows: dict[str, int], X: np.ndarray) -> Activations:
    """Read the gendered words: label 1 is female, and words of one stem are one group."""
    found = {}
    for name in ("kin", "roles", "names"):
        with (WORDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                if line["text"] in rows:
                    found[line["text"]] = (int(line["label"]), line.get("group") or line["text"])
    words = list(found)
    return Activations(
        X[[rows[word] for word in words]],
        ids=np.array(words),
        y=np.array([found[word][0] for word in words]),
        groups=np.array([found[word][1] for word in words]),
    )


def opinions(kinds: np.ndarray, words: np.ndarray, X: np.ndarray) -> Activations:
    """Words of opinion, label 1 for positive ones; those of several kinds are left out."""
    is_in = np.isin(kinds, ("positive", "negative"))
    return Activations(X[is_in], ids=words[is_in], y=(kinds[is_in] == "positive").astype(np.int64))


def stereotypes(path: Path, rows: dict[str, int], X: np.ndarray) -> Activations:
    """Professions with a clear stereotype, label 1 for female ones; professions that name a gender are left out."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        if one["text"] in rows and abs(one["label"]) >= 0.3 and abs(one["meta"]["definitional"]) < 0.3:
            found[one["text"]] = int(one["label"] < 0)
    words = list(found)
    return Activations(X[[rows[word] for word in words]], ids=np.array(words), y=np.array(list(found.values())))


def cell(measured: Estimate | Unavailable) -> str:
    """Write one figure with its interval."""
    if isinstance(measured, Unavailable):
        return measured.reason
    return f"{measured.value:.2f} [{measured.low:.2f}, {measured.high:.2f}]"


def table(audits: dict[str, Audit]) -> str:
    """Write methods × readers as a table: AUROC after erasing; for the threshold its balanced accuracy."""
    first = next(iter(audits.values()))
    names = [one.reader for one in first.readings]
    others = [one.name for one in first.others]
    head = ["", *(f"{name} (accuracy)" if name == "threshold" else name for name in names), *others, "rank", "change"]
    figures = [
        ["none", *(cell(one.accuracy_before if one.reader == "threshold" else one.before) for one in first.readings)]
        + [cell(one.before) for one in first.others]
        + ["0", "0"]
    ]
    for method, found in audits.items():
        after = [cell(one.accuracy_after if one.reader == "threshold" else one.after) for one in found.readings]
        damage = [cell(one.after) for one in found.others]
        figures.append([method, *after, *damage, str(found.rank), f"{found.squared_change:.3f}"])
    lines = [head, ["---"] * len(head), *figures]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Fit every eraser on half of the words, audit it on the other half, and print the table and the statements."""
    parser = argparse.ArgumentParser()
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--professions", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shuffles", type=int, default=5)
    parser.add_argument("--save", type=Path, help="write the records as JSON")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    with np.load(options.vectors, allow_pickle=False) as file:
        words, kinds, X = file["words"], file["kinds"], file["X"].astype(np.float32)
    rows = {word: row for row, word in enumerate(words.tolist())}
    gender = gendered(rows, X)
    others = {"opinion": opinions(kinds, words, X)}
    if options.professions:
        others["stereotype"] = stereotypes(options.professions, rows, X)
    groups, codes = np.unique(gender.groups, return_inverse=True)
    is_fit = np.random.default_rng(options.seed).permutation(len(groups)) % 2 == 0
    fit, fresh = gender.select(is_fit[codes]), gender.select(~is_fit[codes])
    audits = {
        name: audit(
            method.fit(fit.X, fit.y).eraser_,
            fresh,
            others=others,
            readers=COLUMNS,
            n_shuffles=options.shuffles,
            random_state=options.seed,
        )
        for name, method in METHODS.items()
    }
    print(f"{len(fit)} words fit the erasers ({int(fit.y.sum())} female).\n")
    print(table(audits))
    for found in audits.values():
        print(f"\n{found.statement}")
    if options.save:
        saved = {name: found.model_dump() for name, found in audits.items()}
        options.save.write_text(json.dumps(saved, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
