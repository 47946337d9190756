"""How an agent is built and taught."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tiltmeter.core.records import Record

Head = Literal["mlp", "softmax", "top1"]


class Coupling(Record):
    """What the loss of the value head does to the encoder while the head learns.

    ``frozen``: the encoder stays as it is. ``stop_gradient``: the encoder goes on learning from demonstrations, and
    the head reads what it then says, without a gradient into it. ``joint``: the encoder learns from both losses, the
    value's times ``weight``. ``value_alone``: it learns from the value's loss only, and what the decoder could is lost.
    """

    kind: Literal["frozen", "stop_gradient", "joint", "value_alone"] = "joint"
    weight: float = Field(default=3.0, gt=0)

    @property
    def needs_demonstrations(self) -> bool:
        """Whether imitation goes on while the value is learned."""
        return self.kind in ("stop_gradient", "joint")

    @property
    def value_moves_encoder(self) -> bool:
        """Whether the value's loss reaches the encoder."""
        return self.kind in ("joint", "value_alone")


class AgentSpec(Record):
    """Sizes of the three networks and the course of their training.

    ``d_state``: width of the encoder's output z. ``d_hidden``: of all hidden layers. ``head``: a network of one hidden
    layer, or ``n_gates`` linear parts weighed by softmax gates or by the largest gate alone. ``imitation_steps`` and
    ``value_steps``: batches of each stage, with ``batch_size`` rows of each kind and a learning rate that falls from
    that of the stage to a hundredth of it.
    """

    d_state: int = Field(default=32, ge=1)
    d_hidden: int = Field(default=128, ge=1)
    head: Head = "mlp"
    n_gates: int = Field(default=4, ge=2)
    coupling: Coupling = Coupling()
    imitation_steps: int = Field(default=6000, ge=1)
    imitation_rate: float = Field(default=3e-3, gt=0)
    value_steps: int = Field(default=2000, ge=1)
    value_rate: float = Field(default=2e-3, gt=0)
    batch_size: int = Field(default=256, ge=1)
    weight_decay: float = Field(default=0.3, ge=0)
