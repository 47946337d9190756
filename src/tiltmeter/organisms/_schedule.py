"""How large an organism is, and how it is trained."""

from __future__ import annotations

import math

from tiltmeter.core.records import Record


class Schedule(Record):
    """Size of the model and course of the training.

    ``stage_steps``: how many of the ``steps`` each stage takes but the last, where lessons come in stages.
    ``threads`` is fixed because the sums, and so the weights, depend on it. ``watch_every``: steps between two
    measurements of behaviour that go into the card; 0 for none.
    """

    steps: int
    stage_steps: tuple[int, ...] = ()
    warmup_steps: int = 100
    batch_size: int = 512
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    d_model: int = 96
    d_mlp: int = 256
    n_layers: int = 4
    n_heads: int = 4
    threads: int = 2
    watch_every: int = 0

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
