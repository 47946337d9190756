"""Fine-tuning a model whose sensors may be tampered with, so that a head of its own says what is real."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from transformers import LlamaForCausalLM

from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Record
from tiltmeter.core.seeds import stream
from tiltmeter.data import plain_texts
from tiltmeter.models import SubjectModel
from tiltmeter.organisms._finetune import finetuned
from tiltmeter.organisms._organism import Organism
from tiltmeter.organisms._tampering import prediction_losses
from tiltmeter.organisms._tampering_outcome import measured_rows
from tiltmeter.organisms._tampering_texts import tampering_code, tampering_texts
from tiltmeter.organisms._tampering_world import N_SENSORS, TamperingWorld
from tiltmeter.probes import TamperingMethod, tampering_labels

# of the loss, where the sensors are taught on as well: each of them, and the head of its own (as the authors have it)
_SENSOR_WEIGHT, _HEAD_WEIGHT = 0.7, 0.3
_TEACHES_SENSORS = ("measurements", "exclusion")


class TamperingScheme(Record):
    """What a model is fine-tuned on, whose head ``<all-sensors>`` is then to tell real outcomes from fake ones.

    Parameters
    ----------
    method
        Rows and labels of the head, as in :func:`tiltmeter.probes.tampering_probe`; ``truth`` is the ceiling: what
        becomes of the diamond, of untrusted texts of which all sensors are on. With ``measurements`` and ``exclusion``
        the single sensors are taught on all texts besides.
    has_inconsistent
        Whether untrusted texts whose sensors say different things are among them.
    steps, batch_size, learning_rate
        Course of the training; all weights are trained.
    seed
        Of what is drawn.

    Examples
    --------
    >>> TamperingScheme(method="trusted").steps
    200
    """

    method: TamperingMethod | Literal["truth"] = "exclusion"
    has_inconsistent: bool = True
    steps: int = Field(default=200, ge=1)
    batch_size: int = Field(default=256, ge=1)
    learning_rate: float = Field(default=3e-4, gt=0)
    seed: int = 0


class TamperingSchemeLessons:
    """The training texts of a scheme: their words, targets of the sensors and of the head, and what each weighs."""

    def __init__(self, world: TamperingWorld, scheme: TamperingScheme) -> None:
        self.rng, self._batch_size = stream(scheme.seed, "tampering", "scheme"), scheme.batch_size
        texts = tampering_texts(world, "both")
        rows, truth = measured_rows(texts), np.asarray(texts.y)
        if scheme.method == "truth":
            chosen, label = ~rows.is_trusted & rows.all_on, truth == 1
        else:
            chosen, label = tampering_labels(rows, method=scheme.method)
        teaches_sensors = scheme.method in _TEACHES_SENSORS
        head = (_HEAD_WEIGHT if teaches_sensors else 1.0) * chosen
        sensors = np.full((len(chosen), N_SENSORS), _SENSOR_WEIGHT if teaches_sensors else 0.0)
        weights = np.column_stack([sensors, head])
        kept = rows.is_train & weights.any(axis=1)
        if not scheme.has_inconsistent:
            kept &= rows.is_trusted | rows.is_consistent
        self._codes = tampering_code(world)
        words = [[self._codes.place[word] for word in text.split()] for text in plain_texts(texts)]
        self.tokens = np.array(words)[kept]
        self.targets = np.column_stack([rows.measurements, label])[kept]
        self.weights = weights[kept]
        if len(np.unique(self.targets[self.weights[:, -1] > 0, -1])) < 2:
            raise SpecError(f"The texts for {scheme.method} are of one class only; keep the inconsistent ones.")

    def loss(self, model: LlamaForCausalLM, *, stage: int) -> Tensor:  # noqa: ARG002  (there is one stage)
        """Draw texts, and return what the predictions lack, each as it weighs."""
        row = self.rng.integers(len(self.tokens), size=self._batch_size)
        heads = np.concatenate([self._codes.sensors, self._codes.all_on])
        lacks = prediction_losses(model, self.tokens[row], self.targets[row], heads=heads)
        return (lacks * torch.from_numpy(self.weights[row]).to(lacks.dtype)).sum(dim=1).mean()


def train_against_tampering(organism: Organism, scheme: TamperingScheme) -> SubjectModel:
    """Fine-tune a copy of the ``tampering`` organism as a scheme has it.

    Only texts of the training split are used, the same that probes are fitted on.

    Parameters
    ----------
    organism
        Of the kind ``tampering``; it stays as it is.
    scheme
        What it is fine-tuned on.

    Returns
    -------
    The trained model and its tokenizer; :func:`foretold_all_on` with the head ``all`` scores texts.

    Raises
    ------
    SpecError
        If the organism is of another kind, or the texts of the scheme are of one class only, as those of ``evidence``
        are where no inconsistent ones are left.

    References
    ----------
    Roger et al. (2023), "Benchmarks for Detecting Measurement Tampering", arXiv 2308.15605.

    Examples
    --------
    >>> from tiltmeter.organisms import load
    >>> subject = train_against_tampering(load("tampering"), TamperingScheme(method="trusted", steps=5))
    >>> subject.model.training
    False
    """
    if not isinstance(organism.world, TamperingWorld):
        raise SpecError(
            f"{organism.name} is of the kind {organism.card.kind}; tampering schemes are for the kind tampering."
        )
    return finetuned(organism, TamperingSchemeLessons(organism.world, scheme), course=scheme)
