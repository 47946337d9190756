"""The command line, run in this process."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

import pytest

from tiltmeter.cli import main

Command = Callable[..., tuple[str, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs a command, checks its code, and returns what it printed: progress only if asked."""

    def call(*arguments: str, code: int = 0, progress: bool = False) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["tiltmeter", *arguments])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as stopped:
            main()
            sys.exit(0)
        printed = capsys.readouterr()
        assert (stopped.value.code or 0) == code, printed.err
        return printed.out, printed.err if progress else re.sub(r"(?m)^[\w. -]+: .* …\n", "", printed.err)

    return call
