"""From a side-by-side comparison's record to its page."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tiltmeter.core.steering import Answered, Dose, Fluency, SideBySide
from tiltmeter.report._format import Clipped, Shown, clip, missing, reasons_of, show_figure
from tiltmeter.report._page import environment, write_page

_UNITS = {
    "norm": "mean activation norms",
    "activation": "units of the activations",
    "kl": "nats of KL asked for",
}


class _DoseRow(NamedTuple):
    """One strength as the table prints it."""

    asked: str
    share: str
    factor: str
    kl: Shown
    ratio: Shown
    random_kl: Shown
    random_ratio: Shown


class _Said(NamedTuple):
    """One text beside the others, and what a random direction gave; ``side`` is its colour's class."""

    strength: str
    side: str
    text: Clipped
    is_bare: bool
    random: Clipped
    is_random_bare: bool


class _Prompt(NamedTuple):
    """One prompt with all that followed it."""

    id: str
    prompt: Clipped
    bare: Clipped
    steered: tuple[_Said, ...]


def write_steering(folder: Path) -> Path:
    """Write ``steering.html`` into a folder from its ``steering.json``.

    The file is whole or not there. It opens offline, holds no script and no reference to anything outside itself, and
    shows every text as text.

    Parameters
    ----------
    folder
        As ``tiltmeter steer --out`` makes it.

    Returns
    -------
    Path
        ``folder / "steering.html"``; an earlier page is replaced.

    Raises
    ------
    FileError
        If the record is not there.
    FormatError
        If it is not valid JSON, or not a record of the version that this release reads.

    Examples
    --------
    >>> write_steering(Path("nowhere"))
    Traceback (most recent call last):
        ...
    tiltmeter.core.errors.FileError: nowhere holds no steering.json; tiltmeter steer --out makes one.
    """
    return write_page(folder, "steering", kind=SideBySide, render=render_steering, made_by="tiltmeter steer --out")


def render_steering(record: SideBySide) -> str:
    """Return the page of a side-by-side comparison as one HTML document.

    Parameters
    ----------
    record
        What was said. Figures are rounded, never computed.

    Returns
    -------
    str
        HTML without scripts; everything that a model or a file said is escaped.

    Examples
    --------
    >>> record = SideBySide(
    ...     model="tiny", vectors="the direction by LDA", sites=("1.resid_post",), evidence="Nobody has assessed it.",
    ...     units="norm", neutral="the prompts", bare_perplexity=None, max_new_tokens=5, seed=0,
    ...     doses=(Dose(asked=0.5, factor=3.0, share=0.5),),
    ...     prompts=(Answered(id="a", prompt="<b>", bare="x", steered=("y",), random=("x",)),),
    ... )
    >>> page = render_steering(record)
    >>> "&lt;b&gt;" in page, "<script" in page
    (True, False)
    """
    doses = tuple(_dose_row(dose) for dose in record.doses)
    figures = [figure for row in doses for figure in (row.kl, row.ratio, row.random_kl, row.random_ratio)]
    return (
        environment()
        .get_template("steering.html.j2")
        .render(
            record=record,
            facts=_facts(record),
            unit=_UNITS[record.units],
            factor_name="Units of the activations" if len(record.sites) == 1 else "Times the vectors",
            has_costs=record.bare_perplexity is not None,
            doses=doses,
            reasons=reasons_of(figures),
            prompts=tuple(_prompt(one, record.doses) for one in record.prompts),
        )
    )


def _facts(record: SideBySide) -> tuple[tuple[str, str], ...]:
    bare = show_figure(record.bare_perplexity, _plain)
    costs = (
        () if record.bare_perplexity is None else (("perplexity, bare", bare.reason or f"{bare.text} {bare.interval}"),)
    )
    return (
        ("model", record.model),
        ("sites", ", ".join(record.sites)),
        ("strengths in", _UNITS[record.units]),
        ("norms measured on", record.neutral),
        *costs,
        ("new tokens", f"up to {record.max_new_tokens}"),
    )


def _dose_row(dose: Dose) -> _DoseRow:
    def figures(cost: Fluency | None) -> tuple[Shown, Shown]:
        if cost is None:
            return (missing("no neutral texts were given"),) * 2
        return show_figure(cost.kl, _plain), show_figure(cost.ratio, _plain)

    return _DoseRow(
        _signed(dose.asked), _signed(dose.share), _signed(dose.factor), *figures(dose.fluency),
        *figures(dose.random_fluency),
    )  # fmt: skip


def _prompt(one: Answered, doses: tuple[Dose, ...]) -> _Prompt:
    said = tuple(
        _Said(
            strength=_signed(dose.asked),
            side="more" if dose.asked > 0 else "less",
            text=clip(steered),
            is_bare=steered == one.bare,
            random=clip(random),
            is_random_bare=random == one.bare,
        )
        for dose, steered, random in zip(doses, one.steered, one.random, strict=True)
    )
    return _Prompt(one.id, clip(one.prompt), clip(one.bare), said)


def _plain(value: float) -> str:
    """Three significant digits, whole numbers above a thousand."""
    return (f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}").replace("-", "−")


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + _plain(value)
