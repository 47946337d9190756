"""The README of a published probe, from its card."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import yaml

from tiltmeter.core.evidence import Evidence, Statement, Verdict
from tiltmeter.core.probe_card import ProbeCard
from tiltmeter.core.records import Estimate, Measured
from tiltmeter.report._format import Shown, decimal, p_value, printable, show_auroc, show_difference
from tiltmeter.report._lookup import describe_site, look_up
from tiltmeter.report._page import environment
from tiltmeter.report._verdict import baselines_on, probe_card, verdict_section

_HEADINGS = (
    ("Against it: its known failures", "against", "No rule found anything that speaks against this probe."),
    ("For it", "for", "No rule found anything that speaks for this probe."),
    ("To be noted", "note", "Nothing."),
)


class Said(NamedTuple):
    """The statements of one stance under their heading, and what to say where there are none."""

    heading: str
    statements: tuple[Statement, ...]
    empty: str


def render_card(card: ProbeCard) -> str:
    """Return the ``README.md`` of a probe: the front matter that the Hugging Face Hub reads, and the page.

    Every statement of the verdict stands in it, word for word, those against the probe first. It computes nothing:
    every figure stands in the card.

    See Also
    --------
    tiltmeter.monitor.write_card : Makes the card of a monitor folder and writes both files.

    Examples
    --------
    >>> from tiltmeter.core.evidence import Leakage
    >>> from tiltmeter.core.records import Unavailable
    >>> nothing = Evidence(
    ...     train="home", site="0.resid_post", method="lda", sites=("0.resid_post",), methods=("lda",), fpr=0.01,
    ...     level=0.95, distributions=(), candidates=(), transfer=(), random_directions=(), shuffled=(), baselines=(),
    ...     advantages=(), shortcuts=(), operating_points=(), histograms=(), mistakes=(),
    ...     threshold=Unavailable(reason="no negatives"), verdict=Unavailable(reason="not judged yet"),
    ...     leakage=Leakage(n_exact=0, n_near=0, near_threshold=0.8, examples=()),
    ... )
    >>> card = ProbeCard(
    ...     name="theft", licence="apache-2.0", base_model="Qwen/Qwen3-0.6B", tiltmeter="0.1.0",
    ...     model="Qwen/Qwen3-0.6B", revision=None, model_fingerprint={}, reading={}, meaning="label 1 of home",
    ...     evidence=nothing, n_texts=0, monitor_sha256="",
    ... )
    >>> render_card(card).splitlines()[:3]
    ['---', 'library_name: tiltmeter', 'license: apache-2.0']
    """
    look = look_up(card.evidence)
    evidence, verdict = card.evidence, card.evidence.verdict
    statements = verdict.statements if isinstance(verdict, Verdict) else ()
    pages = environment().overlay(autoescape=False)
    pages.filters.update(md=_plain, figure=_figure, p_value=p_value, decimal=decimal)
    # an organism is known by its name everywhere; a folder on the machine of whoever made the card is not
    where = card.base_model or (card.model if card.model.startswith("organism:") else "MODEL")
    body = pages.get_template("card.md.j2").render(
        card=card,
        where=where,
        revision=repr(card.revision if card.base_model == card.model else None),
        evidence=evidence,
        said=[Said(head, tuple(s for s in statements if s.stance == stance), none) for head, stance, none in _HEADINGS],
        conditions={statement.rule: statement.condition for statement in statements},
        verdict=verdict_section(look),
        probe=probe_card(look),
        site=describe_site(evidence.site),
        rivals=[
            (b, show_auroc(b.auroc), show_difference(a.difference if a else None))
            for test in look.tests
            for b, a in baselines_on(evidence, test)
        ],
        shortcuts=[(one, show_auroc(one.auroc_within)) for one in evidence.shortcuts],
        followed=[(one, show_auroc(one.auroc), show_difference(one.lead)) for one in evidence.followed],
        causes=[(one, show_auroc(one.swap), show_auroc(one.ablation)) for one in evidence.causal],
    )
    front = yaml.safe_dump(_front_matter(card), sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{front}---\n\n{body}"


def _front_matter(card: ProbeCard) -> dict[str, Any]:
    verdict = card.evidence.verdict
    outcome = verdict.outcome if isinstance(verdict, Verdict) else "no verdict"
    front: dict[str, Any] = {"library_name": "tiltmeter"}
    if card.licence is not None:
        front["license"] = card.licence
    if card.base_model is not None:
        front["base_model"] = card.base_model
    front["pipeline_tag"] = "text-classification"
    # the outcome is a tag, so that a list of probes tells which of them to distrust
    front["tags"] = ["tiltmeter", "probe", "interpretability", f"verdict:{outcome.replace(' ', '-')}"]
    results = _results(card.evidence)
    if results:
        front["model-index"] = [{"name": card.name, "results": results}]
    return front


def _results(evidence: Evidence) -> list[dict[str, Any]]:
    """List the figures in the form of the Hub's model index, one entry a test set that has any."""
    aurocs = {cell.test: cell.auroc for cell in evidence.transfer}
    points = {point.test: point for point in evidence.operating_points}
    results = []
    for test in dict.fromkeys([*aurocs, *points]):
        figures: list[tuple[str, str, Measured | None]] = [("roc_auc", "AUROC", aurocs.get(test))]
        if test in points:
            point = points[test]
            figures += [
                ("recall", "true-positive rate at the shipped threshold", point.tpr),
                ("false_positive_rate", "false-positive rate at the shipped threshold, over units", point.unit_fpr),
            ]
        metrics = [_metric(kind, name, found) for kind, name, found in figures if isinstance(found, Estimate)]
        if metrics:
            where = "the distribution that it was trained on" if test == evidence.train else "another distribution"
            results.append(
                {
                    "task": {"type": "text-classification", "name": f"reading activations, {where}"},
                    "dataset": {"name": test, "type": test, "split": "test"},
                    "metrics": metrics,
                }
            )
    return results


def _metric(kind: str, name: str, found: Estimate) -> dict[str, Any]:
    bounds = {"low": found.low, "high": found.high, "level": found.level, "n": found.n, "method": found.method}
    return {"type": kind, "name": name, "value": found.value, "args": bounds}


def _figure(shown: Shown) -> str:
    """Write a figure with its interval, or why there is none; a mark where it speaks against the probe."""
    if shown.reason:
        return _plain(f"– ({shown.reason})")
    return f"{shown.text} {shown.interval}".strip() + (" ⚠" if shown.weak else "")


def _plain(text: object) -> str:
    """Escape what Markdown would take for markup, so that names and sentences are read as they are written."""
    line = " ".join(printable(str(text)).split())
    line = re.sub(r"([\\`*<|&])", r"\\\1", line)
    line = line.replace("](", "]\\(")
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", line)
