"""Runs a page as a reader would: its commands in one shell, its Python in one session, from top to bottom.

A fence ``bash`` is typed into a shell that stays open, ``python`` into a session that stays open, both in the same
folder. A fence ``text`` that follows one of them is what it printed. There ``…`` stands for anything, white space
counts as one blank, and numbers agree within a tolerance.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
# what make demo, make site and make wheel write
_MADE = {"runs", "site", "dist", "build"}
DOCUMENTS = sorted(
    page
    for page in ROOT.rglob("*.md")
    if page.relative_to(ROOT).parts[0] not in _MADE
    and not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
)
"""Every page of the repository, whether or not it is on the site."""

RTOL, ATOL = 0.02, 0.011
"""How far a number may be from the one on the page: rounding to two places may fall either way, hence a last digit."""

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
"""A fence, which stands further in where it belongs to a point of a list."""

_NUMBER = re.compile(r"(?<![\w.])[-−]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
_END = "the end of a fence"
# the first word of a command that takes a while, on the other stream, as progress is
_LOADING = re.compile(r"^[a-z ]+: loading …\n", re.MULTILINE)


class Step(NamedTuple):
    """A fence that is run, and what the page says that it prints, None where the page says nothing."""

    language: str
    code: str
    shown: str | None


def fences(page: str) -> list[tuple[str, str]]:
    """Return the language and the content of each fence."""
    return [(language, textwrap.dedent(code)) for _, language, code in FENCE.findall(page)]


def steps(page: str) -> list[Step]:
    """Return what is to be run, in the order of the page."""
    all_of_them = fences(page)
    found = []
    for i, (language, code) in enumerate(all_of_them):
        if language in ("bash", "python"):
            after = all_of_them[i + 1] if i + 1 < len(all_of_them) else ("", "")
            shown = after[1] if after[0] == "text" else None
            assert shown is None or shown.strip(), f"what {code} prints is not shown"
            found.append(Step(language, code, shown))
    return found


class Shell:
    """A bash that stays open: what one command set or started, the next one finds."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=os.environ | _environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdin is not None
        # of several commands in a fence none may fail
        self._process.stdin.write("trap '_failed=\"$? of $BASH_COMMAND\"' ERR\n")

    def run(self, code: str) -> str:
        """Run commands, and return what they print on either stream; AssertionError if one of them fails."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f'_failed=\n{code}\necho "{_END}: ${{_failed:-0}}"\n')
        self._process.stdin.flush()
        printed = []
        for line in self._process.stdout:
            before, mark, code_of = line.partition(_END + ": ")
            printed.append(before)
            if mark:
                said = _LOADING.sub("", "".join(printed))
                assert code_of.strip() == "0", f"{code}ended with {code_of.strip()}: {said}"
                return said
        raise AssertionError(f"the shell ended in {code}: {''.join(printed)}")

    def close(self) -> None:
        """End the shell and what it started and left."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write("kill $(jobs -p) 2>/dev/null; wait; exit\n")
            self._process.stdin.close()
        self._process.stdout.read()
        self._process.stdout.close()
        self._process.wait()


def printed(page: str, *, folder: Path) -> Iterator[tuple[Step, str]]:
    """Run a page in a folder, step by step; the Python of it runs in this process, which must stand in that folder."""
    shell, session = Shell(folder), {"__name__": "page"}
    before = set(sys.modules)
    # where a session of Python looks first
    sys.path.insert(0, str(folder))
    try:
        for step in steps(page):
            if step.language == "bash":
                yield step, shell.run(step.code)
                continue
            caught = io.StringIO()
            with contextlib.redirect_stdout(caught):
                exec(compile(step.code, "page", "exec"), session)
            yield step, caught.getvalue()
    finally:
        shell.close()
        sys.path.remove(str(folder))
        # what lay in this folder is no package elsewhere
        for name in sys.modules.keys() - before:
            if (folder / name.split(".")[0]).is_dir():
                del sys.modules[name]


def free_port() -> str:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def _environment() -> dict[str, str]:
    source = str(Path(__file__).parents[1] / "src")
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": source,
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }


def assert_agree(shown: str, actual: str) -> None:
    """Hold what was printed against what is shown: text exactly but for white space, numbers nearly, all of it.

    Where the shown text has ``…``, whatever was printed there is passed over.
    """
    pieces = [" ".join(piece.split()) for piece in shown.split("…")]
    any_number = [_NUMBER.pattern.join(map(re.escape, _NUMBER.split(piece))) for piece in pieces]
    rest = " ".join(actual.split())
    found = re.fullmatch(" ?(.*?) ?".join(f"({piece})" for piece in any_number), rest)
    assert found, f"what is shown is\n{shown}\nand what was printed\n{actual}"
    for piece, printed_there in zip(pieces, found.groups()[::2], strict=True):
        for one, other in zip(_NUMBER.findall(piece), _NUMBER.findall(printed_there), strict=True):
            a, b = (float(number.replace(",", "").replace("−", "-")) for number in (one, other))
            assert abs(a - b) <= ATOL + RTOL * abs(a), f"{one} is shown, and {other} was printed, in {piece}"
