"""``tiltmeter verdict``."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def verdict(
    run: Annotated[str, typer.Argument(help="A run directory, a monitor folder, or hub:OWNER/NAME[@REVISION].")],
    rejudge: Annotated[
        bool, typer.Option("--rejudge", help="Apply the present rules to the old figures, and say what that changes.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record instead of a page.")] = False,
) -> None:
    """Print the verdict of a run or of a monitor, every statement with its figure and its rule.

    Nothing on disk is changed. docs/reference/verdict.md lists the rules.

    Example: tiltmeter verdict runs/2026-11-22-facts
    """
    from tiltmeter import studies
    from tiltmeter.cli._terminal import steps

    with steps("verdict"):
        from tiltmeter.cli._print import rejudged, whole_verdict
        from tiltmeter.core.errors import SpecError
        from tiltmeter.core.evidence import Verdict
        from tiltmeter.evaluation import rejudge as judge_again

        evidence = studies.open_evidence(run)
    if rejudge:
        change = judge_again(evidence)
        if as_json:
            print(json.dumps(change.model_dump(mode="json"), indent=2, ensure_ascii=False))
        else:
            rejudged(change)
        return
    if not isinstance(evidence.verdict, Verdict):
        raise SpecError(f"{run} holds no verdict ({evidence.verdict.reason}); add --rejudge for one.")
    if as_json:
        print(json.dumps(evidence.verdict.model_dump(mode="json"), indent=2, ensure_ascii=False))
    else:
        whole_verdict(evidence.verdict)
