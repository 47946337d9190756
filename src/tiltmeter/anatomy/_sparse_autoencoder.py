"""Sparse autoencoders from rows: seeded, watched, and gone on with after an interruption with the same end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor

from tiltmeter.anatomy._dictionary import Dictionary
from tiltmeter.anatomy._dictionary_step import Weights, gradients
from tiltmeter.core.dictionaries import DictionaryRecipe
from tiltmeter.core.errors import ArrayError, FormatError, SpecError
from tiltmeter.core.files import write_bytes
from tiltmeter.core.seeds import stream
from tiltmeter.core.site import Site

OnTraining = Callable[[int, int, float], None]

# of the rows' root mean square: where JumpReLU's thresholds begin, and how wide the rectangle around them is
_JUMP = 0.1
# a checkpoint costs about as much as ten steps
_STEPS_A_CHECKPOINT = 500
# steps between two calls of a listener, for which the loss is fetched
_STEPS_A_REPORT = 50


class Trained(NamedTuple):
    """A dictionary and the losses of its batches, every 50 steps and at the end, in the units it was trained in."""

    dictionary: Dictionary
    steps: tuple[int, ...]
    losses: tuple[float, ...]


def train_dictionary(
    X: Float[NDArray[Any], "n d"],
    n_latents: int,
    *,
    recipe: DictionaryRecipe,
    seed: int = 0,
    site: Site | None = None,
    checkpoint: Path | None = None,
    progress: OnTraining | None = None,
) -> Trained:
    """Train a sparse autoencoder on rows.

    The same rows, recipe and seed give the same weights on the same machine, also where the training was interrupted
    and gone on with. Atoms have norm 1. Weights are in the units of the rows, whatever they were scaled by.

    Parameters
    ----------
    X
        Rows to learn from; others are needed to judge what was learned. Each epoch goes through them in a new order.
    n_latents
        How many latents, f.
    recipe
        Kind, penalty and course.
    seed
        Of the initial weights and of the order of the rows.
    site
        Where the rows were read, to be kept with the dictionary.
    checkpoint
        A file in which the training is kept every 500 steps, and that it goes on from if it is there; it is removed at
        the end. None keeps nothing.
    progress
        Is called every 50 steps and at the end with the steps done, their total, and the loss of the last batch.

    Returns
    -------
    The dictionary and the course of its loss.

    Raises
    ------
    ArrayError
        If there are fewer than two rows, one is not finite, all are equal, or the loss is not finite.
    SpecError
        If there are no latents, or ``k`` of TopK is more than there are.
    FormatError
        If the checkpoint is damaged or is of another training.

    Notes
    -----
    Minimised by Adam is mean((x - x̂)²) over rows and features, plus for ``relu`` penalty · mean(z), for ``jumprelu``
    penalty · mean(z > 0) over rows and latents. Thresholds of JumpReLU are learned as logarithms. Decoder gradients are
    projected to the tangent of the unit sphere, and atoms are divided by their norms after each step. Encoder and
    decoder start alike, orthogonal where they can be. Latents that die stay dead: there is no resampling, and no
    auxiliary loss. Cost a step: five products of b × d × f.

    References
    ----------
    Sharkey, Braun and Millidge (2022), "Taking features out of superposition with sparse autoencoders" (ReLU, L1);
    Gao et al. (2024), arXiv 2406.04093 (TopK); Rajamanoharan et al. (2024), arXiv 2407.14435 (JumpReLU); Bricken et al.
    (2023), "Towards Monosemanticity" (gradients on the sphere).

    Examples
    --------
    >>> rows = np.abs(np.random.default_rng(0).normal(size=(64, 4))).astype(np.float32)
    >>> recipe = DictionaryRecipe(kind="topk", k=2, steps=60, batch_size=16)
    >>> trained = train_dictionary(rows, 8, recipe=recipe)
    >>> trained.dictionary.decoder.shape, trained.losses[-1] < trained.losses[0]
    ((8, 4), True)
    """
    if len(X) < 2 or not X.size or not np.isfinite(X).all():
        raise ArrayError(f"X has shape {X.shape}; a dictionary needs two finite rows or more.")
    if n_latents < 1:
        raise SpecError(f"n_latents is {n_latents}; give 1 or more.")
    if recipe.k is not None and recipe.k > n_latents:
        raise SpecError(f"k is {recipe.k}, and there are {n_latents} latents; keep no more than there are.")
    rms = float(np.sqrt(np.mean(np.square(X, dtype=np.float64))))
    if rms == 0 or (X == X[0]).all():
        raise ArrayError("All rows are equal; there is nothing to learn from them.")
    scale = rms if recipe.scaled else 1.0
    rows = torch.from_numpy(np.asarray(X / scale, dtype=np.float32))
    rows_sha256 = rows_hash(X)
    identity = training_identity(rows_sha256, n_latents, recipe=recipe, seed=seed)
    run = _Run(_start(rows, n_latents, seed=seed, jump=_JUMP * rms / scale), recipe, bandwidth=_JUMP * rms / scale)
    steps, losses = run.resume(checkpoint, identity=identity)
    for step, batch in _batches(len(rows), recipe=recipe, seed=seed, first=run.done):
        loss = run.step(rows[batch])
        if not (step + 1) % _STEPS_A_REPORT or step + 1 == recipe.steps:
            steps.append(step + 1)
            losses.append(float(loss))
            if not np.isfinite(losses[-1]):
                raise ArrayError(f"The loss is not finite after {step + 1} steps; use a lower learning rate.")
            if progress is not None:
                progress(step + 1, recipe.steps, losses[-1])
        if checkpoint is not None and not (step + 1) % _STEPS_A_CHECKPOINT and step + 1 < recipe.steps:
            run.keep(checkpoint, identity=identity, course=(steps, losses))
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    provenance = {
        "recipe": recipe.model_dump(mode="json"),
        "seed": seed,
        "n_rows": len(X),
        "rows_sha256": rows_sha256,
        "identity": identity,
    }
    dictionary = _in_own_units(run.weights, recipe=recipe, scale=scale, site=site, provenance=provenance)
    return Trained(dictionary, tuple(steps), tuple(losses))


class _Run:
    """The weights, the optimiser's memory of them, and how many steps are done."""

    def __init__(self, weights: Weights, recipe: DictionaryRecipe, *, bandwidth: float) -> None:
        self.weights, self.recipe, self.bandwidth, self.done = weights, recipe, bandwidth, 0
        self.first = Weights(*(torch.zeros_like(one) for one in weights))
        self.second = Weights(*(torch.zeros_like(one) for one in weights))
        names = ["encoder", "bias", "decoder"]
        names += ["centre"] * recipe.centred + ["log_threshold"] * (recipe.kind == "jumprelu")
        self.learned = [Weights._fields.index(name) for name in names]

    def step(self, batch: Tensor) -> Tensor:
        """Take a step and return the loss before it."""
        found = gradients(self.weights, batch, recipe=self.recipe, bandwidth=self.bandwidth)
        self.done += 1
        count = torch.tensor(float(self.done))
        parts = (self.weights, found.gradients, self.first, self.second)
        weights, slopes, first, second = ([part[i] for i in self.learned] for part in parts)
        torch._fused_adam_(
            weights, slopes, first, second, [], [count] * len(weights), lr=self.recipe.learning_rate,
            beta1=0.9, beta2=0.999, weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False,
        )  # fmt: skip
        self.weights.decoder.div_(self.weights.decoder.norm(dim=1, keepdim=True))
        return found.loss

    def keep(self, path: Path, *, identity: str, course: tuple[list[int], list[float]]) -> None:
        """Write everything that the next step depends on."""
        parts = {"weights": self.weights, "first": self.first, "second": self.second}
        tensors = {
            f"{part}.{name}": one.contiguous()
            for part, held in parts.items()
            for name, one in zip(Weights._fields, held, strict=True)
        }
        facts = {"identity": identity, "done": str(self.done), "course": json.dumps(course)}
        write_bytes(path, to_safetensors(tensors, facts))

    def resume(self, path: Path | None, *, identity: str) -> tuple[list[int], list[float]]:
        """Put back what was kept, if anything was, and return the course of the loss so far."""
        if path is None or not path.exists():
            return [], []
        try:
            with safe_open(path, "pt") as file:
                facts = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}
            for part in ("weights", "first", "second"):
                setattr(self, part, Weights(*(tensors[f"{part}.{name}"] for name in Weights._fields)))
            same, self.done, course = facts["identity"] == identity, int(facts["done"]), json.loads(facts["course"])
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise FormatError(f"{path} is a damaged checkpoint ({error}); remove it to begin anew.") from error
        if not same:
            raise FormatError(f"{path} is of another training; remove it to begin anew.")
        return course[0], course[1]


def _start(rows: Tensor, n_latents: int, *, seed: int, jump: float) -> Weights:
    d = rows.shape[1]
    # a stream of its own for each size: dictionaries that start alike would look as if they had found the same
    drawn = stream(seed, "dictionary", n_latents).normal(size=(max(n_latents, d), min(n_latents, d)))
    basis = np.linalg.qr(drawn)[0]
    atoms = (basis if n_latents >= d else basis.T).astype(np.float32)
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    decoder = torch.from_numpy(np.ascontiguousarray(atoms))
    thresholds = torch.full((n_latents,), float(np.log(jump)))
    # half of the latents are on at first: of more than 2 d of them the sum would be many times the row
    encoder = decoder * min(1.0, 2 * d / n_latents)
    return Weights(encoder, torch.zeros(n_latents), decoder, torch.zeros(d), thresholds)


def _batches(n: int, *, recipe: DictionaryRecipe, seed: int, first: int) -> Iterator[tuple[int, Tensor]]:
    """Yield step and rows; an order belongs to its epoch, so that a training can be gone on with from any step."""
    size = min(recipe.batch_size, n)
    a_pass, known, order = n // size, -1, np.empty(0, dtype=np.int64)
    for step in range(first, recipe.steps):
        epoch, at = divmod(step, a_pass)
        if epoch != known:
            known, order = epoch, stream(seed, "rows", epoch).permutation(n)
        yield step, torch.from_numpy(order[at * size : (at + 1) * size])


def rows_hash(X: Float[NDArray[Any], "n d"]) -> str:
    """Return the hash of rows, by which it is known again what a dictionary was trained on."""
    return hashlib.sha256(f"{X.shape} {X.dtype}".encode() + np.ascontiguousarray(X).tobytes()).hexdigest()


def training_identity(rows_sha256: str, n_latents: int, *, recipe: DictionaryRecipe, seed: int) -> str:
    """Return the hash of everything that decides what a training ends with."""
    told = json.dumps([n_latents, recipe.model_dump(mode="json"), seed, rows_sha256, torch.__version__])
    return hashlib.sha256(told.encode()).hexdigest()


def _in_own_units(
    weights: Weights, *, recipe: DictionaryRecipe, scale: float, site: Site | None, provenance: dict[str, Any]
) -> Dictionary:
    """Put the scale of the rows into biases and thresholds, and the centre into the bias."""
    encoder, bias, decoder, centre, log_threshold = (one.numpy() for one in weights)
    return Dictionary(
        encoder,
        (scale * (bias - encoder @ centre)).astype(np.float32),
        decoder,
        (scale * centre).astype(np.float32),
        kind=recipe.kind,
        k=recipe.k,
        threshold=(scale * np.exp(log_threshold)).astype(np.float32) if recipe.kind == "jumprelu" else None,
        site=site,
        provenance=provenance,
    )
