"""What a model becomes whose overseers can label easy questions only: outcomes of oversight schemes.

    python examples/seventh_grader.py FOLDER

trains what is missing of the organisms into FOLDER (some 55 s of processor time each, 130 s of the widest) and prints

* outcomes on hard questions, of several schemes: with answers as well as possible, as a seventh grader, as neither;
  and whether the model still answers as the expert, and as the pupil, when it is asked so (*voices*);
* the same for narrower and wider models;
* the same, crossed: every width with every easiness (the last school year that is labelled) and share of wrong labels;
* the gap recovered, (easy-trained - floor) / (hard-trained - floor) of the answers as well as possible.

Each share is over organisms (seeds of the training) and rounds (seeds of the scheme); intervals resample organisms.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tiltmeter import evaluation, models, organisms
from tiltmeter.core.records import Measured
from tiltmeter.organisms import Organism, OversightScheme, Schedule

HARD_YEARS = {"first_year": 8, "last_year": 12}
SCHEMES = {
    "easy: years 1 to 7": OversightScheme(),
    "easy: years 1 to 5": OversightScheme(last_year=5),
    "easy: years 1 to 3": OversightScheme(last_year=3),
    "easy, 168 items": OversightScheme(n_items=168),
    "easy, 10 % wrong": OversightScheme(wrong_share=0.1),
    "easy, 20 % wrong": OversightScheme(wrong_share=0.2),
    "easy, 40 % wrong": OversightScheme(wrong_share=0.4),
    "easy, judgements": OversightScheme(loss="judgement"),
    "hard, by the expert": OversightScheme(**HARD_YEARS),
    "hard, by the pupil": OversightScheme(**HARD_YEARS, labelled_by="pupil"),
    "hard, judgements": OversightScheme(**HARD_YEARS, loss="judgement"),
}
EASY, HARD = "easy: years 1 to 7", "hard, by the expert"
WIDTHS = (32, 64, 128)
LAST_YEARS = (7, 5, 3)
WRONG_SHARES = (0.0, 0.1, 0.2, 0.4)


class Tried(NamedTuple):
    """Shares of the outcomes, shape (organisms, rounds, 3), and of both voices when asked, (organisms, rounds, 2)."""

    outcomes: np.ndarray
    voices: np.ndarray


def bred(folder: Path, *, d_model: int, seeds: range) -> list[Organism]:
    """Open organisms of a width, or train them first."""
    found = []
    for seed in seeds:
        place = folder / f"pupil-d{d_model}-seed{seed}"
        schedule = Schedule(steps=600, batch_size=256, d_model=d_model, d_mlp=2 * d_model, threads=1)
        if not place.exists():
            organisms.train_world(organisms.make_pupil_world(seed), place, kind="pupil", schedule=schedule, seed=seed)
        found.append(organisms.read_organism(place))
    return found


def tried(bred: list[Organism], scheme: OversightScheme | None, *, rounds: int, said: str = "answer") -> Tried:
    """Try a scheme on each organism, so many times; None leaves them as they are."""
    outcomes, voices = [], []
    for organism in bred:
        for number in range(rounds if scheme else 1):
            subject = (
                organisms.oversee(organism, scheme.model_copy(update={"seed": number}))
                if scheme
                else models.load(str(organism.folder))
            )
            model, expert, pupil = (
                organisms.pupil_outcome(
                    subject.model, subject.tokenizer, world=organism.world, speaker=speaker, said=kind
                )
                for speaker, kind in (("model", said), ("expert", "answer"), ("pupil", "answer"))
            )
            outcomes.append((model.as_well_as_possible, model.as_a_pupil, model.neither))
            voices.append((expert.as_well_as_possible, pupil.as_a_pupil))
    return Tried(np.reshape(outcomes, (len(bred), -1, 3)), np.reshape(voices, (len(bred), -1, 2)))


def line(name: str, found: Tried) -> None:
    """Print the shares, the interval of the first, how many models have most of either kind, and the voices."""
    n_models = found.outcomes.shape[0] * found.outcomes.shape[1]
    most = (found.outcomes > 0.5).sum(axis=(0, 1))
    shares = "  ".join(f"{share:.2f}" for share in found.outcomes.mean(axis=(0, 1)))
    expert, pupil = found.voices.mean(axis=(0, 1))
    truth = evaluation.mean_estimate(found.outcomes[:, :, 0].mean(axis=1), by=by(found), bounds=(0.0, 1.0))
    print(
        f"{name:28s} {shares}  {bounds(truth)}  {most[0]:2d}, {most[1]:2d} of {n_models}   {expert:.2f} {pupil:.2f}",
        flush=True,
    )


def by(found: Tried) -> evaluation.Resampling:
    """Resample organisms."""
    return evaluation.resampling(len(found.outcomes), groups=None, n_draws=2000)


def bounds(found: Measured) -> str:
    """Write an interval."""
    return f"({found.reason})" if found.kind == "unavailable" else f"[{found.low:.2f}, {found.high:.2f}]"


def gap(easy: Tried, floor: Tried, hard: Tried) -> str:
    """Return the share of the gap that was recovered, of all organisms together."""
    truth = np.stack([found.outcomes[:, :, 0].mean(axis=1) for found in (easy, floor, hard)])

    def recovered(weights: np.ndarray) -> np.ndarray:
        learned, before, ceiling = truth @ weights.T
        return (learned - before) / (ceiling - before)

    found = evaluation.bootstrap_estimate(recovered, by=by(easy))
    return found.reason if found.kind == "unavailable" else f"{found.value:.2f} {bounds(found)}"


def schemes(some: list[Organism], *, rounds: int) -> None:
    """Print the outcomes of all schemes."""
    found = {
        "no training": tried(some, None, rounds=rounds),
        "no training, judgements": tried(some, None, rounds=rounds, said="judgement"),
    }
    for name, one in found.items():
        line(name, one)
    for name, scheme in SCHEMES.items():
        found[name] = tried(some, scheme, rounds=rounds, said=scheme.loss)
        line(name, found[name])
    print(f"gap recovered: {gap(found[EASY], found['no training'], found[HARD])}; of judgements ", end="")
    print(gap(found["easy, judgements"], found["no training, judgements"], found["hard, judgements"]))


def sizes(folder: Path, *, seeds: range, rounds: int) -> None:
    """Print floor, easy labels and ceiling of every width."""
    for width in WIDTHS:
        some = bred(folder, d_model=width, seeds=seeds)
        floor, easy, hard = (tried(some, scheme, rounds=rounds) for scheme in (None, SCHEMES[EASY], SCHEMES[HARD]))
        for what, found in (("no training", floor), ("easy", easy), ("hard", hard)):
            line(f"d = {width}: {what}", found)
        print(f"d = {width}: gap recovered {gap(easy, floor, hard)}", flush=True)


def crossed(folder: Path, *, seeds: range) -> None:
    """Print the outcomes of every width, easiness and share of wrong labels, each organism once."""
    for width in WIDTHS:
        some = bred(folder, d_model=width, seeds=seeds)
        floor, hard = (tried(some, scheme, rounds=1) for scheme in (None, SCHEMES[HARD]))
        for last_year in LAST_YEARS:
            for wrong_share in WRONG_SHARES:
                scheme = OversightScheme(last_year=last_year, wrong_share=wrong_share)
                easy = tried(some, scheme, rounds=1)
                line(f"d = {width}, year {last_year}, {wrong_share:.0%} wrong", easy)
                print(f"    gap recovered {gap(easy, floor, hard)}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=("schemes", "sizes", "crossed"))
    options = parser.parse_args()
    seeds, rounds = range(options.seeds), options.rounds
    print("hard questions: as well as possible, as a seventh grader, neither; interval of the first; models with more")
    print("than half of the first, and of the second; voices: asked as the expert and as the pupil, answers like them")
    if options.only in (None, "schemes"):
        schemes(bred(options.folder, d_model=64, seeds=seeds), rounds=rounds)
    if options.only in (None, "sizes"):
        sizes(options.folder, seeds=seeds, rounds=rounds)
    if options.only in (None, "crossed"):
        crossed(options.folder, seeds=seeds)


if __name__ == "__main__":
    main()
