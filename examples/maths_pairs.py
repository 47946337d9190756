"""Put a right and a wrong answer behind each problem of the MATH set: pairs for ``maths_levels.yaml``.

    python examples/maths_pairs.py FOLDER/math_levels.jsonl pairs.jsonl

Problems of one subject and level are coupled, and the wrong answer of either is the right one of the other. A couple is
a group, so every answer is right once and wrong once in the same split, and an answer alone tells nothing. A problem
that is left over, and couples with the same answer, are left out.

A text alone still tells something: an answer is likelier to be the right one if what it is made of stands in the
problem. What that gives is printed, an AUROC a level: what a probe must beat to be said to know any mathematics.
"""

from __future__ import annotations

import argparse
import json
import re
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from tiltmeter.core.files import write_text
from tiltmeter.evaluation import ranking_estimates, resampling

_PIECE = re.compile(r"[A-Za-z]+|\d+|\S")


def pairs(problems: list[dict[str, Any]], *, seed: int = 0) -> list[dict[str, Any]]:
    """Return a row for each problem: right and wrong, with the couple for a group."""

    def kind(problem: dict[str, Any]) -> tuple[str, int]:
        return problem["meta"]["subject"], problem["label"]

    found, rng = [], np.random.default_rng(seed)
    for (subject, level), alike in groupby(sorted(problems, key=kind), key=kind):
        some = list(alike)
        order = rng.permutation(len(some)).tolist()
        for i, j in zip(order[::2], order[1::2], strict=False):
            answers = [some[k]["meta"]["answer"] for k in (i, j)]
            if answers[0] == answers[1]:
                continue
            for problem, right, wrong in ((some[i], *answers), (some[j], *answers[::-1])):
                found.append(
                    {
                        "positive": f"{problem['text']}\nAnswer: {right}",
                        "negative": f"{problem['text']}\nAnswer: {wrong}",
                        "group": f"{subject}, level {level}, {i} and {j}",
                        "meta": {"subject": subject, "level": level},
                    }
                )
    return found


def likeness(text: str) -> float:
    """Return the share of the answer's words, numbers and signs that stand in the problem."""
    problem, answer = (set(_PIECE.findall(part)) for part in text.rsplit("\nAnswer: ", 1))
    return len(answer & problem) / len(answer)


def print_likeness(rows: list[dict[str, Any]]) -> None:
    """Print how well likeness ranks right answers above wrong ones, a line each level."""
    for level in sorted({row["meta"]["level"] for row in rows}):
        some = [row for row in rows if row["meta"]["level"] == level]
        scores = np.array([likeness(row[side]) for row in some for side in ("positive", "negative")])
        by = resampling(len(scores), groups=np.repeat([row["group"] for row in some], 2))
        found = ranking_estimates(np.tile([1, 0], len(some)), scores, fpr=0.1, by=by).auroc
        figure = (
            found.reason if found.kind == "unavailable" else f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
        )
        print(f"level {level}, {len(some)} problems: AUROC of the likeness of answer and problem {figure}")


def main() -> None:
    """Read the problems, write the pairs, and print what likeness gives."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("problems", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    problems = [json.loads(line) for line in options.problems.read_text(encoding="utf-8").splitlines()]
    rows = pairs(problems)
    write_text(options.out, "".join(json.dumps(row) + "\n" for row in rows))
    print_likeness(rows)


if __name__ == "__main__":
    main()
