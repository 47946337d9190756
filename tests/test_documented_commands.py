"""Every command that a document shows is one that the program takes; the tutorials' are run besides."""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pages import DOCUMENTS, FENCE, ROOT, fences

from tiltmeter.cli._app import app

PROGRAM: Any = typer.main.get_command(app)
_HERE = re.compile(r"<<'?(\w+)'?\n.*?^\1$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`tiltmeter ([^`]+)`")
_PYTHON = re.compile(r"`(?:\w+=\S+ )?python ([^`]+)`")
_BETWEEN = {"|", "||", "&", "&&", ";"}
each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def typed(code: str) -> Iterator[list[str]]:
    """Yield the words of each command of a shell fence, without what goes into files."""
    code = _HERE.sub("", code.replace("\\\n", " "))
    # which stream goes there stands close to the arrow
    code = re.sub(r"(?<=\s)\d(?=[<>])", "", code)
    for line in re.sub(r"(\|\||&&|\|)\n", r"\1 ", code).splitlines():
        reader = shlex.shlex(line, posix=True, punctuation_chars=True)
        reader.whitespace_split = True
        command: list[str] = []
        words = iter(reader)
        for word in words:
            if word in _BETWEEN:
                yield command
                command = []
            elif set(word) <= set("<>&"):
                next(words)
            else:
                command.append(word)
        yield command


def shown(path: Path) -> list[list[str]]:
    found = fences(path.read_text(encoding="utf-8"))
    commands = [words for language, code in found if language == "bash" for words in typed(code)]
    # what is set for one command stands before it
    return [words[next((i for i, word in enumerate(words) if "=" not in word), 0) :] for words in commands if words]


def named(words: list[str]) -> tuple[Any, list[str]]:
    """Follow words into the groups of the program, as far as they name one."""
    command = PROGRAM
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    return command, words


def test_words_go_to_commands_and_not_to_files() -> None:
    code = "A=1 tiltmeter score RUN 'a b' -n 2 > out.txt 2>&1 &\n"
    code += "head \\\n -3 x | wc  # lines\ncat > y <<'END'\nodd: 'x\nEND\n"
    assert list(typed(code)) == [
        ["A=1", "tiltmeter", "score", "RUN", "a b", "-n", "2"], [], ["head", "-3", "x"], ["wc"], ["cat"],
    ]  # fmt: skip


def test_there_are_commands_to_be_read() -> None:
    assert sum(words[0] == "tiltmeter" for path in DOCUMENTS for words in shown(path)) > 60


@each_document
def test_commands_in_fences_are_taken_as_they_stand(path: Path) -> None:
    for words in shown(path):
        if words[0] == "tiltmeter":
            command, rest = named(words[1:])
            assert not hasattr(command, "commands"), f"{shlex.join(words)} names no command"
            # names, types and required arguments are checked, nothing is run
            command.make_context(command.name, rest)


@each_document
def test_commands_in_sentences_exist(path: Path) -> None:
    for code in _INLINE.findall(path.read_text(encoding="utf-8")):
        words = code.split()
        command, rest = named(words)
        is_group = hasattr(command, "commands")
        assert rest != words or words[0].startswith("-"), f"tiltmeter {code} names no command"
        assert not (is_group and rest and re.fullmatch("[a-z]+", rest[0])), f"tiltmeter {code} names no command"
        options = {word for parameter in command.params for word in (*parameter.opts, *parameter.secondary_opts)}
        asked = {word.split("=")[0] for word in rest if word.startswith("--")}
        assert asked <= {*options, "--help", "--version"}, f"tiltmeter {code} has no option {asked - options}"


def programs(path: Path) -> Iterator[list[str]]:
    """Yield what follows ``python`` wherever a page runs a program, in a fence or in a sentence."""
    for words in shown(path):
        if words[0] == "python" and len(words) > 1:
            yield words[1:]
    for code in _PYTHON.findall(FENCE.sub("", path.read_text(encoding="utf-8"))):
        # of several values one is enough
        yield code.split(" | ")[0].split()


class _ParsedError(Exception):
    """What a program was given was taken."""


@functools.cache
def _take(program: Path, arguments: tuple[str, ...]) -> None:
    """Let a program read its arguments, and stop it there; AssertionError if it does not take them."""
    if "parse_args(" not in program.read_text(encoding="utf-8"):
        assert not arguments, f"{program.name} takes no {arguments}"
        return
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(*given: Any, **named: Any) -> None:
        parse(*given, **named)
        raise _ParsedError

    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(said):
        patch.setattr(sys, "argv", [str(program), *arguments])
        patch.syspath_prepend(program.parent)
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
        with pytest.raises((_ParsedError, SystemExit)) as stopped:
            runpy.run_path(str(program), run_name="__main__")
    assert stopped.type is _ParsedError, f"{program.name} does not take {arguments}: {said.getvalue()}"


def test_a_program_refuses_an_option_that_it_does_not_have() -> None:
    program = ROOT / "examples" / "tampering.py"
    _take(program, ("planted", "--seeds", "0"))
    with pytest.raises(AssertionError, match=r"does not take .*--seed-s"):
        _take(program, ("planted", "--seed-s", "0"))


@each_document
def test_programs_are_there_and_take_what_is_shown(path: Path) -> None:
    for words in programs(path):
        if words[0] != "-m":
            places = [place / words[0] for place in (ROOT, path.parent)]
        elif words[1].startswith("benchmarks"):
            module = ROOT / words[1].replace(".", "/")
            places, words = [module.with_suffix(".py"), module / "__main__.py"], words[1:]
        else:
            continue
        program = next((place for place in places if place.exists()), None)
        assert program is not None, f"python {shlex.join(words)} names no program"
        _take(program, tuple(words[1:]))
