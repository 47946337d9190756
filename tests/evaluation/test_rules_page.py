"""The page of rules and the rules say the same, every rule is there, and an old verdict is judged again."""

from __future__ import annotations

import ast
import importlib
import re
import typing
from pathlib import Path

import pytest
from pydantic import BaseModel

from tests.made_runs import evidence_of, scored_rows
from tiltmeter.core.evidence import Evidence, Statement, Verdict
from tiltmeter.core.records import Unavailable
from tiltmeter.evaluation import Rule, judge, rejudge, rules_page
from tiltmeter.evaluation._rules import BOOK, RULES_VERSION
from tiltmeter.evaluation._verdict import FATAL, LOCAL, STEPS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "verdict.md").read_text(encoding="utf-8")
MODULES = sorted((ROOT / "src" / "tiltmeter" / "evaluation").glob("_rules_*.py"))


def _words(text: str) -> str:
    return " ".join(text.split()).lower()


def test_the_page_holds_what_the_rules_say_now() -> None:
    # after a change of a rule: python docs/reference/verdict_rules.py
    assert rules_page() in PAGE


def test_every_declared_rule_is_in_the_book_under_a_name_of_its_own() -> None:
    declared = [
        thing
        for path in MODULES
        for thing in vars(importlib.import_module(f"tiltmeter.evaluation.{path.stem}")).values()
        if isinstance(thing, Rule)
    ]
    assert {rule.name for rule in declared} == {rule.name for rule in BOOK}
    assert len({rule.name for rule in BOOK}) == len(BOOK) > 20


def test_the_page_has_a_part_for_every_rule_that_a_statement_could_name() -> None:
    # rules that are not declared, but written into their statements, are found too
    names = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Rule", "Statement"):
                found = [*node.args[:1], *(k.value for k in node.keywords if k.arg in ("rule", "name"))]
                names |= {value.value for value in found if isinstance(value, ast.Constant)}
    assert {rule.name for rule in BOOK} <= names
    assert [name for name in sorted(names) if f"### {name}\n" not in PAGE] == []


@pytest.mark.parametrize("rule", BOOK, ids=lambda rule: rule.name)
def test_the_part_of_a_rule_holds_its_condition_its_triggers_and_its_weight(rule: Rule) -> None:
    part = _words(PAGE.split(f"### {rule.name}\n")[1].split("###")[0])
    for words in (rule.condition, *rule.speaks.values(), *rule.reads):
        assert _words(words) in part
    assert ("fatal at home" in part) == (rule.name in FATAL)
    assert ("counts anywhere" in part) == (rule.name in LOCAL)


def test_the_way_to_the_outcome_is_on_the_page_step_by_step() -> None:
    steps = re.findall(r"^\d\. \*\*(.+?)\*\*", PAGE, re.MULTILINE)
    assert steps[: len(STEPS)] == [step.outcome for step in STEPS]
    assert {*FATAL, *LOCAL} <= {rule.name for rule in BOOK}
    assert all("against" in rule.speaks for rule in BOOK if rule.name in {*FATAL, *LOCAL})


def _resolves(path: str, model: type[BaseModel] = Evidence) -> bool:
    """Whether a path such as ``transfer[].auroc`` leads somewhere in the record."""
    head, _, rest = path.partition(".")
    field = model.model_fields.get(head.removesuffix("[]"))
    if field is None:
        return False
    kinds = [field.annotation]
    while any(typing.get_args(kind) for kind in kinds):
        is_list = any(typing.get_origin(kind) is tuple for kind in kinds)
        kinds = [arg for kind in kinds for arg in (typing.get_args(kind) or (kind,))]
        if is_list and not head.endswith("[]") and rest:
            return False
    below = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return not rest or any(_resolves(rest, kind) for kind in below)


@pytest.mark.parametrize("path", sorted({path for rule in BOOK for path in rule.reads}))
def test_every_figure_that_a_rule_says_it_reads_is_in_the_record(path: str) -> None:
    assert _resolves(path)
    assert not _resolves(f"{path}x") and not _resolves(f"{path}.nothing")


def test_a_rule_takes_no_stance_that_it_does_not_tell_of() -> None:
    rule = Rule("size", "enough units", reads=(), speaks={"note": "too few"})
    with pytest.raises(KeyError, match="says nothing against"):
        rule.say("against", "Too few.", because="3")


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return evidence_of(scored_rows(strength=1.5))


def test_an_old_verdict_is_judged_again_and_what_changed_is_named(evidence: Evidence) -> None:
    now = judge(evidence)
    odd = Statement(rule="omens", condition="birds", test=None, stance="against", text="A raven.", because="1 raven")
    before = Verdict(rules_version=1, outcome="refuted", headline=now.headline, statements=(odd, *now.statements[1:]))
    change = rejudge(evidence.model_copy(update={"verdict": before}))
    assert change.is_changed
    assert change.old == before and change.new == now
    assert change.gone == (odd,) and change.come == now.statements[:1]


def test_the_version_alone_is_no_change(evidence: Evidence) -> None:
    now = judge(evidence)
    older = now.model_copy(update={"rules_version": RULES_VERSION - 1})
    change = rejudge(evidence.model_copy(update={"verdict": older}))
    assert not change.is_changed and change.gone == change.come == ()
    assert isinstance(change.old, Verdict) and change.old.rules_version != change.new.rules_version


def test_a_record_without_a_verdict_gets_one(evidence: Evidence) -> None:
    change = rejudge(evidence.model_copy(update={"verdict": Unavailable(reason="not judged yet")}))
    assert change.is_changed and change.come == change.new.statements
