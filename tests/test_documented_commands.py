"""Every command that a document shows is one that the program takes; the tutorials' are run besides."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pages import DOCUMENTS, ROOT, fences

from tiltmeter.cli._app import app

PROGRAM: Any = typer.main.get_command(app)
_HERE = re.compile(r"<<'?(\w+)'?\n.*?^\1$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`tiltmeter ([^`]+)`")
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


@each_document
def test_programs_in_fences_are_there(path: Path) -> None:
    for words in shown(path):
        if words[0] != "python" or len(words) == 1:
            continue
        module = words[2].replace(".", "/") if words[1] == "-m" else None
        if module is None:
            assert (ROOT / words[1]).exists() or (path.parent / words[1]).exists(), shlex.join(words)
        elif module.startswith("benchmarks"):
            assert (ROOT / f"{module}.py").exists() or (ROOT / module / "__main__.py").exists(), shlex.join(words)
