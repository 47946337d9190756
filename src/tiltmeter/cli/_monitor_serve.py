"""``tiltmeter monitor serve``."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer


def serve(
    monitors: Annotated[
        list[str], typer.Argument(help="Monitor folders, runs, or hub:OWNER/NAME[@REVISION]; NAME=... to name one.")
    ],
    model: Annotated[
        str | None, typer.Option(help="Where the model is; default: where it was when the first monitor was made.")
    ] = None,
    host: Annotated[str, typer.Option(help="The address to bind; one beyond loopback needs a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8000,
    token_env: Annotated[
        str | None,
        typer.Option(help="The environment variable that holds the token. Default: TILTMETER_TOKEN, if set."),
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="A file that holds the token.")] = None,
    log: Annotated[Path, typer.Option(help="The SQLite file of alarms and scores; made if absent.")] = Path(
        "alarms.sqlite"
    ),
    keep_texts: Annotated[
        bool, typer.Option("--keep-texts", help="Keep the texts themselves in the log, too.")
    ] = False,
) -> None:
    """Serve monitors over HTTP: POST /v1/score and /v1/generate, GET /v1/alarms, /v1/monitors, /healthz and /metrics.

    Without a token it binds loopback only. Every alarm is in the log before the answer that tells of it ends.

    Example: tiltmeter monitor serve runs/2026-11-22-facts --log alarms.sqlite
    """
    from tiltmeter import service
    from tiltmeter.cli._monitor_named import model_of, named_monitors, warn_of
    from tiltmeter.cli._terminal import steps
    from tiltmeter.core.errors import DataWarning

    token = _token(token_env, token_file)
    with steps("serve") as announce:
        from tiltmeter.monitor import MonitorLog

        # before the model is loaded, which takes long
        service.check_binding(host, token=token)
        loaded = named_monitors(monitors)
        for called, one in loaded.items():
            warn_of(one, called=called)
        subject = model_of(next(iter(loaded.values())), model, announce=announce)
        # a batch of few texts always has few coordinates that hold most of its variance
        warnings.simplefilter("ignore", DataWarning)
        opened = MonitorLog(log, keep_texts=keep_texts)
        app = service.create_app(subject, loaded, log=opened, token=token)
    service.serve(
        app,
        host=host,
        port=port,
        token=token,
        on_bound=lambda address: print(f"tiltmeter: {address} serves {', '.join(loaded)}", file=sys.stderr, flush=True),
    )


def _token(variable: str | None, file: Path | None) -> str | None:
    from tiltmeter.core.errors import FileError, SpecError

    if variable is not None and file is not None:
        raise SpecError(
            "The token is in an environment variable or in a file; give one of --token-env and --token-file."
        )
    if file is not None:
        if not file.is_file():
            raise FileError(f"{file} does not exist; check the path.")
        return file.read_text(encoding="utf-8").strip()
    if variable is not None and not os.environ.get(variable):
        raise SpecError(f"The environment variable {variable} holds no token; set it, or leave --token-env out.")
    return os.environ.get(variable or "TILTMETER_TOKEN") or None
