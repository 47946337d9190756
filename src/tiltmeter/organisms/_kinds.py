"""The kinds of organisms that there are, by name."""

from __future__ import annotations

from typing import Any

from tiltmeter.core.errors import SpecError
from tiltmeter.organisms._beliefs import BELIEFS
from tiltmeter.organisms._chain import CHAIN
from tiltmeter.organisms._coup import COUP
from tiltmeter.organisms._deception import DECEPTION
from tiltmeter.organisms._elections import ELECTIONS
from tiltmeter.organisms._facts import FACTS
from tiltmeter.organisms._kind import Kind
from tiltmeter.organisms._pupil import PUPIL
from tiltmeter.organisms._quirky import QUIRKY
from tiltmeter.organisms._tampering import TAMPERING

_ALL: tuple[Kind[Any], ...] = (FACTS, *BELIEFS, QUIRKY, PUPIL, *ELECTIONS, *CHAIN, COUP, *DECEPTION, TAMPERING)
KINDS = {kind.name: kind for kind in _ALL}


def kind_of(name: str) -> Kind[Any]:
    """Return a kind; SpecError if there is none of that name."""
    if name not in KINDS:
        raise SpecError(f"There is no organism {name!r}; there is {', '.join(KINDS)}.")
    return KINDS[name]
