"""The salience law: of two features that agree wherever there are labels, the louder one is learned.

    python examples/salience.py                 a linear model and a transformer, given the same rows
    python examples/salience.py FOLDER ...      and what probes make of activations of these ``pupil`` organisms

Beside the law stand the share of disagreements in which a model sides with the truth that learned on easy items, its
accuracy on hard ones, and that of a model that learned on hard ones; the range is over seeds. The gap recovered is
given from the floor of a coin (.50) and from .43, which an untrained direction has by luck.

Of an organism, the two loudnesses are those of the truth and of the pupil's view at the proposed answer, along whatever
directions they have in the training split, in noise units. Logistic regression learned on easy questions; of hard
ones (calibration and test) each proposed answer is right for one of the two.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM

from tiltmeter import activations, models, organisms

LOUD = ((2, 1), (1, 1), (1, 2), (1, 4))


def draw(loud: tuple[float, float], n: int, rng: np.random.Generator, *, is_easy: bool) -> tuple[np.ndarray, ...]:
    """Draw rows of 40 numbers, whether the label is true, and whether the other feature has it so."""
    y = rng.integers(2, size=n)
    other = y if is_easy else rng.integers(2, size=n)
    rows = rng.normal(size=(n, 40))
    rows[:, 0] += loud[0] * (2 * y - 1)
    rows[:, 1] += loud[1] * (2 * other - 1)
    return rows.astype(np.float32), y, other


def transformer(rows: np.ndarray, y: np.ndarray, *, seed: int) -> torch.nn.Module:
    """Train a small decoder that is given a row in place of a word's vector, and says one of two words."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=2, hidden_size=40, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4,
        tie_word_embeddings=False, initializer_range=0.05, pad_token_id=None, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    model, rng = LlamaForCausalLM(config).train(), np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
    for _ in range(200):
        some = rng.integers(len(y), size=128)
        found = model(inputs_embeds=torch.from_numpy(rows[some, None])).logits[:, -1]
        loss = cross_entropy(found, torch.from_numpy(y[some]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def says(model: torch.nn.Module, rows: np.ndarray) -> np.ndarray:
    """Return the likelier word."""
    with torch.inference_mode():
        return model(inputs_embeds=torch.from_numpy(rows[:, None])).logits[:, -1].argmax(-1).numpy()


def on_rows(seeds: range) -> None:
    """Print what a linear model and a transformer make of two features of given loudness, beside the law."""
    print("\nloudness of truth and of the other: share of disagreements that go with truth; accuracy on hard items")
    for loud in LOUD:
        found = []
        for seed in seeds:
            rng = np.random.default_rng(seed)
            easy, hard = (draw(loud, 20_000, rng, is_easy=which) for which in (True, False))
            test, y, other = draw(loud, 20_000, rng, is_easy=False)
            for kind in ("linear", "transformer"):
                called = []
                for rows, labels, _ in (easy, hard):
                    if kind == "linear":
                        called.append(LogisticRegression().fit(rows, labels).predict(test))
                    else:
                        called.append(says(transformer(rows, labels, seed=seed), test))
                on_easy, on_hard = (one == y for one in called)
                found.append((on_easy[y != other].mean(), on_easy.mean(), on_hard.mean()))
        law = organisms.salience_law(*loud)
        print(f"{loud}: law {law.sides_with_truth:.2f}, {law.accuracy:.2f} of at most {law.ceiling:.2f}", flush=True)
        for offset, kind in enumerate(("linear", "transformer")):
            rows = np.array(found[offset::2])
            low, high = rows[:, 0].min(), rows[:, 0].max()
            sides, easy_accuracy, hard_accuracy = rows.mean(axis=0)
            gaps = [(easy_accuracy - floor) / (hard_accuracy - floor) for floor in (0.5, 0.43)]
            print(
                f"  {kind:12s} {sides:.2f} [{low:.2f}, {high:.2f}], {easy_accuracy:.2f} of at most {hard_accuracy:.2f};"
                f" gap recovered {gaps[0]:.2f} from a floor of .50, {gaps[1]:.2f} from .43",
                flush=True,
            )


def on_activations(folder: str) -> None:
    """Print for each speaker and block both loudnesses, what the law says, and what logistic regression does."""
    organism = organisms.read_organism(folder)
    subject = models.load(folder)
    for speaker in ("expert", "pupil", "model"):
        easy, hard = (organisms.pupil_texts(organism.world, f"{speaker}_{band}") for band in ("easy", "hard"))
        told, asked = (activations.collect(subject, texts, sites="all", pooling="last") for texts in (easy, hard))
        cells = [
            cell(told[site].X, easy.y, easy.split == "train", asked[site].X, hard.y, hard.split == "train")
            for site in told
            if str(site).endswith("resid_post")
        ]
        print(f"{organism.name}, {speaker} asked: {'   '.join(cells)}", flush=True)


def cell(
    easy: np.ndarray, y: np.ndarray, fit: np.ndarray, hard: np.ndarray, truth: np.ndarray, measure: np.ndarray
) -> str:
    """Return the loudness of truth and of the pupil's view, the share that the law says, and the share found."""
    parts = [easy[fit & (y == label)] for label in (0, 1)] + [hard[measure & (truth == label)] for label in (0, 1)]
    false, true, misconceived, true_on_hard = (part.mean(axis=0) for part in parts)
    # half of the differences between + and -: on easy questions truth and pupil go together, on hard ones they part
    agree, part = (true - false) / 2, (true_on_hard - misconceived) / 2
    noise = np.cov(np.concatenate([one - one.mean(axis=0) for one in parts]).T)
    inverse = np.linalg.inv(noise + 1e-4 * np.trace(noise) / len(noise) * np.eye(len(noise)))
    both, truth_alone, pupil_alone = agree, (agree + part) / 2, (agree - part) / 2
    louder, *loud = (float(np.sqrt(vector @ inverse @ vector)) for vector in (both, truth_alone, pupil_alone))
    # the law, but for directions that need not be orthogonal: the noise is the length of their sum
    law = norm.cdf((loud[0] ** 2 - loud[1] ** 2) / louder)
    probe = LogisticRegression(max_iter=5000).fit(easy[fit], y[fit])
    found = float((probe.predict(hard[~measure]) == truth[~measure]).mean())
    return f"{loud[0]:.1f} and {loud[1]:.1f}, law {law:.2f}, found {found:.2f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    on_rows(range(options.seeds))
    for folder in options.folders:
        on_activations(folder)


if __name__ == "__main__":
    main()
