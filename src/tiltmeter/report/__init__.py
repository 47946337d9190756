"""Turns the records of a run into one self-contained HTML file that opens offline and carries no script.

It computes nothing: every figure on a page stands in ``run.json`` or ``evidence.json``, in ``steering.json`` or in
``shape.json``.
"""

from typing import TYPE_CHECKING

from tiltmeter.core.on_demand import names_on_demand

if TYPE_CHECKING:
    from tiltmeter.report._dictionaries import render_dictionaries, write_dictionaries
    from tiltmeter.report._experts import render_experts, write_experts
    from tiltmeter.report._league import render_league, write_league
    from tiltmeter.report._probe_card import render_card
    from tiltmeter.report._shape import render_shape, write_shape
    from tiltmeter.report._steering import render_steering, write_steering
    from tiltmeter.report._stego import render_stego, write_stego
    from tiltmeter.report._weights import render_weights, write_weights
    from tiltmeter.report._write import render, write_report
else:
    __getattr__, __dir__ = names_on_demand(__name__)

__all__ = [
    "render",
    "render_card",
    "render_dictionaries",
    "render_experts",
    "render_league",
    "render_shape",
    "render_steering",
    "render_stego",
    "render_weights",
    "write_dictionaries",
    "write_experts",
    "write_league",
    "write_report",
    "write_shape",
    "write_steering",
    "write_stego",
    "write_weights",
]
