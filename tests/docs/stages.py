"""Pages that are followed by a machine, and what has to stand beside each: models, texts, runs of the names it uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pages import DOCUMENTS, ROOT, assert_agree, free_port, printed, steps


@dataclass(frozen=True)
class Stage:
    """What stands in the folder of a page, and which of its lines are not run as they stand.

    ``build`` lays out the folder. ``instead`` maps a piece of the page to what is run in its place, for a name that
    only a reader can fill in or a size that takes hours. ``left_out`` maps a piece to why nothing is run for it,
    ``slow`` one that is run with the slow tests alone to how long it takes. ``ports`` are exchanged for free ones.
    ``within`` is what goes on meanwhile, such as a Hub.
    """

    build: Callable[[Path], None] = lambda folder: None
    instead: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    slow: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[str, ...] = ()
    within: Callable[[], AbstractContextManager[Any]] = nullcontext
    marks: tuple[Any, ...] = ()


def cases(stages: Mapping[str, Stage]) -> list[Any]:
    """Return a case for each page, under the marks of its stage."""
    return [pytest.param(name, marks=stage.marks) for name, stage in stages.items()]


def slow_cases(stages: Mapping[str, Stage]) -> list[Any]:
    """Return a case for each page that has something slow, under the marks of its stage and ``slow``."""
    return [pytest.param(name, marks=(*stage.marks, pytest.mark.slow)) for name, stage in stages.items() if stage.slow]


def follow(name: str, stage: Stage, *, folder: Path, with_slow: bool = False) -> None:
    """Run a page, named from the root and without ``.md``, from top to bottom, and compare what it shows."""
    text = page = (ROOT / f"{name}.md").read_text(encoding="utf-8")
    gone = dict.fromkeys((*stage.left_out, *(() if with_slow else stage.slow)), "")
    # what is not run goes first: it may hold what is run in another way
    for piece, other in {**gone, **stage.instead}.items():
        assert piece in text, f"{name} does not say {piece}"
        page = page.replace(piece, other)
    for port in stage.ports:
        page = page.replace(port, free_port())
    for shared in ("examples", "docs"):
        (folder / shared).symlink_to(ROOT / shared)
    stage.build(folder)
    with stage.within():
        for step, said in printed(page, folder=folder):
            if step.shown is not None:
                assert_agree(step.shown, said)


def with_steps(pages: Iterable[Path]) -> set[str]:
    """Return the names of those pages that have something to run."""
    return {str(page.relative_to(ROOT).with_suffix("")) for page in pages if steps(page.read_text(encoding="utf-8"))}


def below(folder: str) -> list[Path]:
    """Return the documents below a folder of the repository."""
    return [page for page in DOCUMENTS if page.is_relative_to(ROOT / folder)]
