"""What holds of every command: help that teaches by example, JSON beside tables, completion, no colours in a pipe."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from tiltmeter.cli._app import app

pytestmark = pytest.mark.smoke

# what these print is a path, an address or JSON lines; or they run until they are stopped
WITHOUT_JSON = {
    "report", "score", "card", "publish", "monitor serve", "monitor export", "monitor reference", "store export",
    "organism train",
}  # fmt: skip


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for name, below in command.commands.items():
            yield from leaves(below, (*path, name))
    else:
        yield " ".join(path), command


COMMANDS = dict(leaves(typer.main.get_command(app)))
each_command = pytest.mark.parametrize("name", sorted(COMMANDS))


def example_of(command: Any) -> str:
    found = re.search(r"^\s*Example: (tiltmeter .+)\Z", command.help.strip(), re.MULTILINE | re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def test_there_are_as_many_commands_as_the_documents_speak_of():
    assert len(COMMANDS) > 30
    assert {"study", "init", "doctor", "monitor serve", "anatomy dictionary train"} <= set(COMMANDS)
    assert not [name for name in COMMANDS if "-" in name or "_" in name]


@each_command
def test_the_help_ends_with_an_example_that_parses(name):
    command = COMMANDS[name]
    words = shlex.split(example_of(command))
    path = name.split()
    assert words[: 1 + len(path)] == ["tiltmeter", *path]
    # names, types and required arguments are checked, nothing is run
    context = command.make_context(name, words[1 + len(path) :])
    assert set(context.params) == {parameter.name for parameter in command.params if parameter.name != "help"}


@each_command
def test_the_help_of_every_argument_and_option_says_something(name):
    bare = [one.name for one in COMMANDS[name].params if not getattr(one, "help", None) and one.name != "help"]
    assert bare == []


@each_command
def test_a_command_that_prints_tables_prints_json_too(name):
    options = {word for parameter in COMMANDS[name].params for word in parameter.opts}
    assert ("--json" in options) == (name not in WITHOUT_JSON)


@each_command
def test_a_command_is_told_in_one_line_in_the_list(name):
    assert 10 < len(COMMANDS[name].get_short_help_str(limit=200)) < 120


def tiltmeter(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.argv[0] = 'tiltmeter'; from tiltmeter.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("tiltmeter mon", "monitor"), ("tiltmeter monitor ser", "serve"), ("tiltmeter study --dry", "--dry-run")],
)
def test_the_shell_completes_commands_and_options(typed, offered):
    words = typed.split()
    done = tiltmeter(_TILTMETER_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=str(len(words) - 1))
    assert offered in done.stdout.split()


def test_a_script_for_completion_is_shown():
    # else typer looks which shell its parents are, and under make there is none that it knows
    done = tiltmeter("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "_TILTMETER_COMPLETE" in done.stdout


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["study"], 2, "Missing argument"),
        (["study", "none.yaml"], 2, "none.yaml does not exist"),
        (["study", "x.yaml", "--ouut", "y"], 2, "No such option"),
        (["studdy"], 2, "No such command"),
        (["--version"], 0, ""),
    ],
)
def test_what_cannot_be_used_is_exit_code_2_without_a_traceback(arguments, code, words):
    done = tiltmeter(*arguments)
    assert done.returncode == code
    assert words in done.stderr and "Traceback" not in done.stderr


@pytest.mark.long
def test_there_are_no_colours_in_a_pipe_nor_where_they_are_not_wanted():
    for environment in ({}, {"NO_COLOR": "1"}):
        for arguments in (["--help"], ["study", "none.yaml"]):
            done = tiltmeter(*arguments, **environment)
            assert "\x1b" not in done.stdout + done.stderr


def test_progress_is_one_line_a_step_in_a_log(capsys, monkeypatch):
    from tiltmeter.cli._terminal import steps

    monkeypatch.delenv("FORCE_COLOR", raising=False)
    with steps("towns") as announce:
        announce("reading")
        announce("writing")
    assert capsys.readouterr().err.splitlines() == ["towns: loading …", "towns: reading …", "towns: writing …"]
