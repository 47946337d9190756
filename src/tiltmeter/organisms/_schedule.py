"""How large an organism is, and how it is trained."""

from __future__ import annotations

import math

from pydantic import Field

from tiltmeter.core.records import Record


class Schedule(Record):
    """Size of the model and course of the training.

    ``stage_steps``: how many of the ``steps`` each stage takes but the last, where lessons come in stages.
    ``threads`` is fixed because the sums, and so the weights, depend on it. ``watch_every``: steps between two
    measurements of behaviour that go into the card; 0 for none.
    """

    steps: int = Field(ge=1)
    stage_steps: tuple[int, ...] = ()
    warmup_steps: int = Field(default=100, ge=1)
    batch_size: int = Field(default=512, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=0.1, ge=0)
    d_model: int = Field(default=96, ge=1)
    d_mlp: int = Field(default=256, ge=1)
    n_layers: int = Field(default=4, ge=1)
    n_heads: int = Field(default=4, ge=1)
    threads: int = Field(default=2, ge=1)
    watch_every: int = Field(default=0, ge=0)

    def stage(self, step: int) -> int:
        """Return the stage to which a step belongs, both counted from 0."""
        ends = 0
        for number, length in enumerate(self.stage_steps):
            ends += length
            if step < ends:
                return number
        return len(self.stage_steps)

    def rate(self, step: int) -> float:
        """Return the learning rate of a step: linear warm-up, then half a cosine down to a hundredth."""
        warm = min(1.0, (step + 1) / self.warmup_steps)
        return self.learning_rate * (warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / self.steps))))
