"""What a model becomes whose overseers can label easy questions only: outcomes of oversight schemes, and why.

    python examples/seventh_grader.py FOLDER

trains what is missing of the organisms into FOLDER (some 50 s of processor time each) and prints

* outcomes on hard questions, of several schemes: with answers as well as possible, as a seventh grader, as neither;
* the same for smaller and larger models, and where the expert spoke more often or less than the pupil;
* the gap recovered, (easy-trained - floor) / (hard-trained - floor) of the answers as well as possible.

Each share is over organisms (seeds of the training) and rounds (seeds of the scheme). The interval resamples organisms.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tiltmeter import models, organisms
from tiltmeter.organisms import Organism, OversightScheme, PupilOutcome, Schedule

SCHEMES = {
    "easy: years 1 to 7": OversightScheme(),
    "easy: years 1 to 5": OversightScheme(last_year=5),
    "easy: years 1 to 3": OversightScheme(last_year=3),
    "easy, 168 items": OversightScheme(n_items=168),
    "easy, 10 % wrong": OversightScheme(wrong_share=0.1),
    "easy, 20 % wrong": OversightScheme(wrong_share=0.2),
    "easy, 40 % wrong": OversightScheme(wrong_share=0.4),
    "easy, judgements": OversightScheme(loss="judgement"),
    "hard, by the expert": OversightScheme(first_year=8, last_year=12),
    "hard, by the pupil": OversightScheme(first_year=8, last_year=12, labelled_by="pupil"),
    "hard, judgements": OversightScheme(first_year=8, last_year=12, loss="judgement"),
}
AS_IT_IS = (
    ("asked as the expert", "expert", "answer"),
    ("asked as the pupil", "pupil", "answer"),
    ("no training", "model", "answer"),
    ("no training, judgements", "model", "judgement"),
)
EASY, HARD = "easy: years 1 to 7", "hard, by the expert"


@dataclass(frozen=True)
class Bred:
    """A way to train the organism: its width, and in how many lessons the expert speaks."""

    d_model: int = 64
    expert_share: float = 0.5

    def organism(self, folder: Path, *, seed: int) -> Organism:
        """Open it, or train it first."""
        place = folder / f"pupil-d{self.d_model}-expert{self.expert_share:g}-seed{seed}"
        if place.exists():
            return organisms.read_organism(place)
        schedule = Schedule(steps=600, batch_size=256, d_model=self.d_model, d_mlp=2 * self.d_model, threads=1)
        world = organisms.make_pupil_world(seed, expert_share=self.expert_share)
        return organisms.train_world(world, place, kind="pupil", schedule=schedule, seed=seed)


@dataclass
class Tried:
    """Outcomes by organism, one list each."""

    by_seed: dict[int, list[PupilOutcome]] = field(default_factory=dict)

    def shares(self) -> np.ndarray:
        """Return the three shares of each organism, mean over its rounds, shape (organisms, 3)."""
        return np.array([np.mean([_shares(one) for one in found], axis=0) for found in self.by_seed.values()])


def _shares(found: PupilOutcome) -> tuple[float, float, float]:
    return found.as_well_as_possible, found.as_a_pupil, found.neither


def untrained(bred: Bred, folder: Path, *, seeds: range, speaker: str, said: str = "answer") -> Tried:
    """Ask the organisms as they are."""
    tried = Tried()
    for seed in seeds:
        organism = bred.organism(folder, seed=seed)
        subject = models.load(str(organism.folder))
        found = organisms.pupil_outcome(
            subject.model, subject.tokenizer, world=organism.world, speaker=speaker, said=said
        )
        tried.by_seed[seed] = [found]
    return tried


def overseen(bred: Bred, folder: Path, scheme: OversightScheme, *, seeds: range, rounds: int) -> Tried:
    """Try a scheme on each organism, ``rounds`` times."""
    tried = Tried()
    for seed in seeds:
        organism = bred.organism(folder, seed=seed)
        tried.by_seed[seed] = []
        for number in range(rounds):
            subject = organisms.oversee(organism, scheme.model_copy(update={"seed": number}))
            found = organisms.pupil_outcome(subject.model, subject.tokenizer, world=organism.world, said=scheme.loss)
            tried.by_seed[seed].append(found)
    return tried


def line(name: str, tried: Tried) -> None:
    """Print the shares, the interval of the first, and in how many of the tries each outcome has more than half."""
    means = tried.shares()
    low, high = interval(means[:, 0])
    every = np.array([_shares(one) for found in tried.by_seed.values() for one in found])
    most = " ".join(f"{count:3d}" for count in (every > 0.5).sum(axis=0))
    shares = "  ".join(f"{share:.2f}" for share in means.mean(axis=0))
    print(f"{name:32s} {shares}   [{low:.2f}, {high:.2f}]   {most} of {len(every)}", flush=True)


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return a bootstrap interval of the mean, 95 %."""
    drawn = np.random.default_rng(0).integers(len(values), size=(2000, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def gap(easy: Tried, floor: Tried, hard: Tried) -> str:
    """Return the share of the gap that was recovered, of all organisms together, resampling them."""
    columns = np.stack([tried.shares()[:, 0] for tried in (easy, floor, hard)])

    def recovered(parts: np.ndarray) -> np.ndarray:
        return (parts[0] - parts[1]) / (parts[2] - parts[1])

    n = columns.shape[1]
    drawn = np.random.default_rng(0).integers(n, size=(2000, n))
    low, high = np.quantile(recovered(columns[:, drawn].mean(axis=2)), [0.025, 0.975])
    return f"{recovered(columns.mean(axis=1)):.2f} [{low:.2f}, {high:.2f}]"


def outcomes(folder: Path, *, seeds: range, rounds: int) -> None:
    """Print the outcomes of all schemes."""
    print(
        "\nhard questions: as well as possible, as a seventh grader, neither [first of them]; tries with more than half"
    )
    bred, found = Bred(), dict[str, Tried]()
    for name, speaker, said in AS_IT_IS:
        found[name] = untrained(bred, folder, seeds=seeds, speaker=speaker, said=said)
        line(name, found[name])
    for name, scheme in SCHEMES.items():
        found[name] = overseen(bred, folder, scheme, seeds=seeds, rounds=rounds)
        line(name, found[name])
    print(f"gap recovered: {gap(found[EASY], found['no training'], found[HARD])}; of judgements ", end="")
    print(gap(found["easy, judgements"], found["no training, judgements"], found["hard, judgements"]))


def breeds(folder: Path, *, seeds: range, rounds: int) -> None:
    """Print what the size, and who spoke more often, change."""
    print("\nthe same, and the gap recovered")
    ways = {f"d = {width}": Bred(d_model=width) for width in (32, 64, 128)}
    ways |= {f"expert in {share:.0%}": Bred(expert_share=share) for share in (0.8, 0.2)}
    for name, bred in ways.items():
        floor = untrained(bred, folder, seeds=seeds, speaker="model")
        easy, hard = (overseen(bred, folder, SCHEMES[one], seeds=seeds, rounds=rounds) for one in (EASY, HARD))
        for what, tried in (("no training", floor), ("easy", easy), ("hard", hard)):
            line(f"{name}: {what}", tried)
        print(f"{name}: gap recovered {gap(easy, floor, hard)}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--only", choices=("outcomes", "breeds"))
    options = parser.parse_args()
    seeds = range(options.seeds)
    for name, part in (("outcomes", outcomes), ("breeds", breeds)):
        if options.only in (None, name):
            part(options.folder, seeds=seeds, rounds=options.rounds)


if __name__ == "__main__":
    main()
