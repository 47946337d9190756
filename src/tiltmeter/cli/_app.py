"""The ``tiltmeter`` command: its groups, and what becomes of errors."""

from __future__ import annotations

import sys
import warnings
from typing import Annotated, TextIO

import typer

from tiltmeter import __version__
from tiltmeter.cli._anatomy import anatomy_app
from tiltmeter.cli._attempts import attempts
from tiltmeter.cli._collect import collect
from tiltmeter.cli._compare import compare
from tiltmeter.cli._doctor import doctor
from tiltmeter.cli._init import init
from tiltmeter.cli._monitor import monitor_app
from tiltmeter.cli._organism import organism_app
from tiltmeter.cli._plan import plan
from tiltmeter.cli._publish import card, publish
from tiltmeter.cli._report import report
from tiltmeter.cli._score import score
from tiltmeter.cli._steer import steer
from tiltmeter.cli._stego import stego_app
from tiltmeter.cli._store import store_app
from tiltmeter.cli._study import study
from tiltmeter.cli._verdict import verdict
from tiltmeter.core.errors import ConvergenceWarning, DataWarning, TiltmeterError

_HELP = """Find directions in a language model's activations, test how far they can be trusted, and turn those that hold
into monitors.

A first run, on the bundled model (about a minute):

    tiltmeter study examples/facts.yaml

It writes a folder under runs/ with report.html (open it in a browser: the verdict comes first) and monitors/best,
which scores new texts:

    tiltmeter score runs/.../monitors/best my_texts.jsonl

For your own texts and model, have a spec written, see what it would cost, and run it:

    tiltmeter init my_texts.csv --model Qwen/Qwen3-0.6B
"""

app = typer.Typer(
    help=_HELP, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=True
)
app.command(short_help="Write a commented spec for your own texts.")(init)
app.command(short_help="What is installed here, and whether a model can be read.")(doctor)
app.command(short_help="Texts and a model in; evidence, verdict, report and monitor out.")(study)
app.command(short_help="Write a run's report again, and say where it is.")(report)
app.command(short_help="Print a verdict again, or judge an old run under the present rules.")(verdict)
app.command(short_help="Compare runs on their common test texts, or hold one against bounds.")(compare)
app.command(short_help="Score texts with a monitor.")(score)
app.command(short_help="Write the card of a probe: README.md and card.json.")(card)
app.command(short_help="Publish a monitor with its card on the Hugging Face Hub.")(publish)
app.command(short_help="A review budget in; threshold, and what is caught, missed and paid, out.")(plan)
app.command(short_help="Read activations into a store that a later run goes on with.")(collect)
app.command(short_help="What a model says with and without a direction, side by side.")(steer)
app.command(short_help="Write texts of an agent that attempts what it must not, and harmless ones.")(attempts)
app.add_typer(monitor_app, name="monitor")
app.add_typer(store_app, name="store")
app.add_typer(organism_app, name="organism")
app.add_typer(anatomy_app, name="anatomy")
app.add_typer(stego_app, name="stego")


def _version(asked: bool) -> None:
    if asked:
        print(f"tiltmeter {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = (
        False
    ),
) -> None:
    pass


def main() -> None:
    """Run the command line: Tiltmeter's own errors become one sentence and exit code 2, others keep their traceback."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warned
            app()
    except (TiltmeterError, OSError) as error:
        # what the file system refuses (a full disk, a read-only folder) is no fault of the program either
        print(f"tiltmeter: {error}", file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, SystemExit) as stopped:
        if isinstance(stopped, KeyboardInterrupt) or stopped.code == 130:
            print(f"tiltmeter: stopped. {_how_to_go_on(stopped)}", file=sys.stderr)
            sys.exit(130)
        raise


def _how_to_go_on(stopped: BaseException) -> str:
    """Return what the work that was stopped says of it; typer raises another exception from the first."""
    cause: BaseException | None = stopped
    while cause is not None:
        if notes := getattr(cause, "__notes__", ()):
            return " ".join(notes)
        cause = cause.__context__
    return "Nothing half-written is left."


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print our own warnings as one line, others as Python does."""
    if issubclass(category, DataWarning | ConvergenceWarning):
        print(f"tiltmeter: warning: {message}", file=sys.stderr)
    else:
        print(warnings.formatwarning(message, category, filename, lineno, line), file=file or sys.stderr, end="")
