"""Some states of a split, drawn without replacement."""

from __future__ import annotations

from tiltmeter.agents._states import BALL_LIT, KEY_LIT, States, all_states
from tiltmeter.agents._world import GridWorld, Split
from tiltmeter.core.errors import SpecError
from tiltmeter.core.seeds import stream


def sample_states(
    world: GridWorld, n: int, *, split: Split, lit: tuple[int, ...] = (BALL_LIT, KEY_LIT), seed: int
) -> States:
    """Return ``n`` states of a split, or all of them where there are fewer; SpecError for fewer than 2."""
    if n < 2:
        raise SpecError(f"{n} states cannot be compared; ask for at least 2.")
    states = all_states(world, split=split, lit=lit)
    order = stream(seed, "states", split).permutation(len(states.at))
    return states.pick(order[:n])
