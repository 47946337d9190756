"""Figures as text: rounding that never turns a small effect into none, and a dash where there is no figure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from tiltmeter.core.records import Estimate, Measured, Unavailable

DASH = "–"
CLIP = 300
"""Longest piece of a dataset text that is shown unopened, in characters."""


class Shown(NamedTuple):
    """A figure as the page prints it.

    ``shade`` is the AUROC that colours the cell (None: no colour) and ``hue`` the scale it is coloured on; ``weak``
    marks an interval that includes "no effect"; ``reason`` says why there is no figure (empty if there is one).
    """

    text: str
    interval: str = ""
    note: str = ""
    shade: float | None = None
    hue: Literal["auroc", "nuisance"] = "auroc"
    weak: bool = False
    reason: str = ""


class Clipped(NamedTuple):
    """A dataset text: what is shown at once, and the whole of it if that was not all."""

    head: str
    whole: str | None


def decimal(value: float) -> str:
    """Two decimals; more where two would print 0.00 or 1.00 for a value that is neither."""
    text = f"{value + 0.0:.2f}"  # + 0.0 turns a negative zero into zero
    if value not in (-1.0, 0.0, 1.0) and abs(float(text)) in (0.0, 1.0):
        text = f"{value:.3f}"
        if abs(float(text)) == 1.0:
            text = ">0.999" if value > 0 else "<-0.999"
        elif float(text) == 0.0:
            text = f"{value:.1g}"
    return text.replace("-", "−")


def signed(value: float) -> str:
    """Write a difference, with its sign."""
    return ("+" if value > 0 else "") + decimal(value)


def rate(value: float) -> str:
    """Write a share in percent, without the sign: one decimal, two below 1 %, and 0 or 100 only where it is exact."""
    percent = 100 * value
    if percent in (0, 100):
        return f"{percent:.0f}"
    if percent < 0.005:
        return "<0.01"
    if percent >= 99.95:
        return ">99.9"
    return f"{percent:.2f}" if percent < 1 else f"{percent:.1f}"


def asked(value: float) -> str:
    """Write a share that somebody chose (a level, a target) in percent, as chosen."""
    return f"{round(100 * value, 6):g} %"


def p_value(value: float) -> str:
    """Write a p-value with two significant digits."""
    return f"{value:.2g}"


def fixed(digits: int) -> Callable[[float], str]:
    """Make a writer of so many decimals."""
    return lambda value: f"{value:.{digits}f}".replace("-", "−")


def significant(value: float) -> str:
    """Three significant digits."""
    return f"{value:.3g}".replace("-", "−")


def score(value: float) -> str:
    """Write a raw score with four significant digits."""
    return f"{value:.4g}".replace("-", "−")


def missing(reason: str) -> Shown:
    """Show that there is no figure, and why."""
    return Shown(DASH, note=reason, reason=reason)


def _note(estimate: Estimate) -> str:
    seed = "" if estimate.seed is None else f", seed {estimate.seed}"
    return f"{asked(estimate.level)} interval by {estimate.method}, n = {estimate.n:,}{seed}"


def show_auroc(measured: Measured | None) -> Shown:
    """Show an AUROC; weak where its interval reaches 0.5 or lies below it."""
    if not isinstance(measured, Estimate):
        return _absent(measured)
    interval = f"[{decimal(measured.low)}, {decimal(measured.high)}]"
    # not strict: an interval that ends exactly at chance includes chance
    return Shown(decimal(measured.value), interval, _note(measured), measured.value, weak=measured.low <= 0.5)


def show_nuisance(measured: Measured | None) -> Shown:
    """Show how well a score reads a nuisance; the colour says how far it is from 0.5, in either direction."""
    return show_auroc(measured)._replace(weak=False, hue="nuisance")


def show_difference(measured: Measured | None) -> Shown:
    """Show probe minus baseline; weak where the interval includes 0 or lies below it."""
    if not isinstance(measured, Estimate):
        return _absent(measured)
    interval = f"[{signed(measured.low)}, {signed(measured.high)}]"
    return Shown(signed(measured.value), interval, _note(measured), weak=measured.low <= 0)


def show_share(measured: Measured | None) -> Shown:
    """Show a share of a gap, which may lie below 0 or above 1; weak where its interval reaches 0."""
    if not isinstance(measured, Estimate):
        return _absent(measured)
    interval = f"[{decimal(measured.low)}, {decimal(measured.high)}]"
    return Shown(decimal(measured.value), interval, _note(measured), weak=measured.low <= 0)


def show_effect(measured: Measured | None, *, luck: float) -> Shown:
    """Show a causal effect from 0 to 1; weak where its interval does not lie above what random directions do."""
    if not isinstance(measured, Estimate):
        return _absent(measured)
    interval = f"[{decimal(measured.low)}, {decimal(measured.high)}]"
    # half of the scale's colours: an effect has no wrong side
    shade = 0.5 + min(max(measured.value, 0.0), 1.0) / 2
    return Shown(decimal(measured.value), interval, _note(measured), shade, weak=measured.low <= luck)


def show_rate(measured: Measured | None, limit: float | None = None) -> Shown:
    """Show a share in percent; weak where it is above ``limit``."""
    if not isinstance(measured, Estimate):
        return _absent(measured)
    interval = f"[{rate(measured.low)}, {rate(measured.high)}]"
    weak = limit is not None and measured.value > limit
    return Shown(f"{rate(measured.value)} %", interval, _note(measured), weak=weak)


def show_figure(measured: Measured | None, write: Callable[[float], str] = decimal) -> Shown:
    """Show a figure that nothing is asked of, each end as ``write`` puts it."""
    if not isinstance(measured, Estimate):
        return _absent(measured)
    return Shown(write(measured.value), f"[{write(measured.low)}, {write(measured.high)}]", _note(measured))


def _absent(measured: Unavailable | Estimate | None) -> Shown:
    return missing(measured.reason if isinstance(measured, Unavailable) else "not measured")


def reasons_of(cells: list[Shown]) -> tuple[str, ...]:
    """List the reasons why cells of a table hold no figure, each once."""
    return tuple(dict.fromkeys(cell.reason for cell in cells if cell.reason))


def clip(text: str) -> Clipped:
    """Cut a long text at ``CLIP`` characters; the whole is kept beside it."""
    return Clipped(text, None) if len(text) <= CLIP else Clipped(text[:CLIP].rstrip() + " …", text)


def printable(text: str) -> str:
    """Replace control characters, which an SVG may not hold, by the replacement character."""
    return "".join(c if c >= " " and c not in "\x7f\ufffe\uffff" else "\ufffd" for c in text)


def outline(value: object, indent: int = 0) -> str:
    """Write nested dicts and lists as indented ``key: value`` lines, the way YAML looks."""
    pad = "  " * indent
    if isinstance(value, dict) and value:
        return "\n".join(f"{pad}{key}:{_inline(item, indent)}" for key, item in value.items())
    if isinstance(value, list) and value:
        return "\n".join(f"{pad}-{_inline(item, indent)}" for item in value)
    return pad + _scalar(value)


def _inline(item: object, indent: int) -> str:
    nested = isinstance(item, dict | list) and bool(item)
    return "\n" + outline(item, indent + 1) if nested else " " + _scalar(item)


def _scalar(value: object) -> str:
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)
