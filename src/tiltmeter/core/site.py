"""Where in a model an activation is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, Self, cast, get_args

from tiltmeter.core.errors import SpecError

Point = Literal["resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out", "z", "mlp_post"]
POINTS: tuple[str, ...] = get_args(Point)
_PATTERN = re.compile(r"(-?[0-9]+)\.([a-z_]+)(?:\.h([0-9]+))?")


@dataclass(frozen=True, order=True, slots=True)
class Site:
    """A place in the network: block, point in the block and, for ``z``, the head.

    Parameters
    ----------
    layer
        0-based index of the block. Negative values count from the end and are resolved when a model is known.
    point
        ``resid_pre`` (before the block), ``resid_mid`` (after attention), ``resid_post`` (after the block),
        ``attn_out``, ``mlp_out``, ``z`` (per head, before the output projection) or ``mlp_post``.
    head
        Index of the head, or None for all of them.

    Raises
    ------
    SpecError
        If the point is unknown, or a head is named at a point that has none.

    Notes
    -----
    ``resid_post`` of block i is Hugging Face's ``hidden_states[i + 1]``, but for the last block it is the value
    *before* the final norm, while theirs is after it.

    Examples
    --------
    >>> Site.parse("12.resid_post")
    Site(layer=12, point='resid_post', head=None)
    >>> str(Site(-1, "z", head=3).resolve(n_layers=6))
    '5.z.h3'
    """

    layer: int
    point: Point
    head: int | None = None

    def __post_init__(self) -> None:
        if self.point not in POINTS:
            raise SpecError(f"Site point is {self.point!r}; use one of {', '.join(POINTS)}.")
        if self.head is not None and self.point != "z":
            raise SpecError(f"Site names head {self.head} at {self.point}, which is not split by head; only z is.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``layer.point`` or ``layer.point.hN``; SpecError if the text is neither."""
        match = _PATTERN.fullmatch(text.strip()) if isinstance(text, str) else None
        if match is None:
            raise SpecError(
                f"Site {text!r} is not of the form layer.point, for example 12.resid_post; "
                "names of other libraries are turned into sites by tiltmeter.models.site_from."
            )
        layer, point, head = match.groups()
        return cls(int(layer), cast(Point, point), int(head) if head is not None else None)

    def resolve(self, n_layers: int) -> Site:
        """Turn a negative layer into the block it names in a model of ``n_layers`` blocks."""
        layer = self.layer + n_layers if self.layer < 0 else self.layer
        if not 0 <= layer < n_layers:
            raise SpecError(
                f"Site {self} asks for block {self.layer}, but the model has {n_layers} blocks (0 to {n_layers - 1})."
            )
        return Site(layer, self.point, self.head)

    def __str__(self) -> str:
        tail = "" if self.head is None else f".h{self.head}"
        return f"{self.layer}.{self.point}{tail}"
