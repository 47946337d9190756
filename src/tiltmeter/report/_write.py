"""From a run directory's records to its page."""

from __future__ import annotations

from pathlib import Path

from tiltmeter.core.errors import FileError
from tiltmeter.core.evidence import Evidence
from tiltmeter.core.files import read_record, write_text
from tiltmeter.core.run import Run
from tiltmeter.report._account import account_section, data_section, glossary, leaks_section, mistakes_section
from tiltmeter.report._causes import causes_section
from tiltmeter.report._format import asked
from tiltmeter.report._lookup import look_up
from tiltmeter.report._needs import needs_section
from tiltmeter.report._page import environment
from tiltmeter.report._pictures import (
    histograms_section,
    legend,
    selection_section,
    shortcuts_section,
    transfer_section,
)
from tiltmeter.report._planted import planted_section
from tiltmeter.report._probabilities import probabilities_section
from tiltmeter.report._rivals import rivals_section
from tiltmeter.report._surface import surface_section
from tiltmeter.report._verdict import probe_card, verdict_section
from tiltmeter.report._watch import watch_section


def write_report(folder: Path) -> Path:
    """Write ``report.html`` into a run directory from its ``run.json`` and ``evidence.json``.

    The file is whole or not there. It opens offline, holds no script and no reference to anything outside itself, and
    shows every text of the data as text.

    Parameters
    ----------
    folder
        A run directory.

    Returns
    -------
    Path
        ``folder / "report.html"``; an earlier report is replaced.

    Raises
    ------
    FileError
        If ``folder`` is not a directory or one of the two records is missing.
    FormatError
        If a record is not valid JSON, or not a record of the version that this release reads.

    See Also
    --------
    render : The same page as a string, from records in memory.

    Examples
    --------
    >>> from pathlib import Path
    >>> write_report(Path("runs/nowhere"))
    Traceback (most recent call last):
        ...
    tiltmeter.core.errors.FileError: runs/nowhere is not a run directory; a report needs its run.json and evidence.json.
    """
    if not folder.is_dir():
        raise FileError(f"{folder} is not a run directory; a report needs its run.json and evidence.json.")
    run = read_record(folder / "run.json", Run)
    path = folder / "evidence.json"
    if not path.exists() and run.status == "failed":
        raise FileError(f"{path} does not exist because the run failed ({run.error}); run the study again.")
    page = render(run, read_record(path, Evidence))
    report = folder / "report.html"
    write_text(report, page)
    return report


def render(run: Run, evidence: Evidence) -> str:
    """Return the page of a run as one HTML document.

    Parameters
    ----------
    run
        What was run.
    evidence
        What was measured. Figures are rounded and chosen from it, never computed.

    Returns
    -------
    str
        HTML without scripts; everything that came from the data is escaped.

    See Also
    --------
    write_report : Reads the records of a run directory and writes the page beside them.

    Examples
    --------
    >>> from tiltmeter.core.evidence import Leakage, Verdict
    >>> from tiltmeter.core.records import Unavailable
    >>> run = Run(
    ...     name="truth", status="complete", started="2026-11-22 19:00", seconds={}, spec={}, resolved={}, seed=0,
    ...     commit=None, versions={}, platform="Linux", model={},
    ... )
    >>> lists = (
    ...     "distributions candidates transfer random_directions shuffled baselines advantages shortcuts "
    ...     "operating_points histograms mistakes"
    ... )
    >>> evidence = Evidence(
    ...     train="facts", site="3.resid_post", method="LDA", sites=("3.resid_post",), methods=("LDA",), fpr=0.01,
    ...     level=0.95, threshold=Unavailable(reason="60 negatives; 299 are needed"),
    ...     leakage=Leakage(n_exact=0, n_near=0, near_threshold=0.9, examples=()),
    ...     verdict=Verdict(rules_version=1, outcome="undecided", headline="Too few texts.", statements=()),
    ...     **dict.fromkeys(lists.split(), ()),
    ... )
    >>> page = render(run, evidence)
    >>> "60 negatives; 299 are needed" in page, "<script" in page
    (True, False)
    """
    look = look_up(evidence)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            run=run,
            evidence=evidence,
            fpr=asked(evidence.fpr),
            level=asked(evidence.level),
            verdict=verdict_section(look),
            card=probe_card(look),
            legend=legend(look),
            selection=selection_section(look),
            transfer=transfer_section(look),
            needs=needs_section(look),
            causes=causes_section(look),
            planted=planted_section(look),
            rivals=rivals_section(look),
            shortcuts=shortcuts_section(look),
            surface=surface_section(look),
            histograms=histograms_section(look),
            watch=watch_section(look),
            probabilities=probabilities_section(look),
            mistakes=mistakes_section(look),
            leaks=leaks_section(evidence),
            data=data_section(evidence),
            account=account_section(run),
            glossary=glossary(evidence),
        )
    )
