"""A spec is checked before anything runs, in one sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tiltmeter.core.errors import FileError, SpecError
from tiltmeter.data import Between, NthMessage
from tiltmeter.studies import parse_spec, read_spec

_GOOD = {"name": "s", "model": {"path": "m"}, "texts": {"a": "a.jsonl"}, "train": {"distribution": "a"}}


def _write(folder: Path, text: str) -> Path:
    path = folder / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_minimal_spec_gets_every_default() -> None:
    spec = parse_spec(_GOOD)
    assert (spec.threshold.fpr, spec.evidence.random_directions, spec.read.sites) == (0.01, 100, "all")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"read": {"sites": "2.resid_post"}}, r"give all, or a list such as \[2.resid_post"),
        ({"read": {"sites": []}}, "'read.sites': it is empty; give all, or a list such as"),
        ({"read": {"sites": [2]}}, r"'read.sites': give all, or a list such as \[2.resid_post"),
        ({"read": {"sites": ["2.resid_post", "h.2"]}}, "'read.sites': site 'h.2' is not of the form layer.point"),
        ({"read": {"sites": ["2.resid"]}}, "'read.sites': site point is 'resid'; use one of resid_pre"),
        ({"read": {"sites": ["2.resid_post.h1"]}}, "'read.sites': site names head 1 at resid_post"),
        ({"probes": {"methods": []}}, "'probes.methods'"),
        ({"texts": {"a": ""}}, "'texts"),
        ({"rows": {"b": "digits <= 2"}}, "rows names the distribution 'b', but texts has a"),
        ({"modle": {}}, r"unknown key 'modle'; did you mean 'model'\?"),
        ({"threshold": {"fprr": 0.1}}, r"unknown key 'threshold.fprr'; did you mean 'fpr'\?"),
        ({"read": {"span": "asistant"}}, r"'read.span': the span is 'asistant'; did you mean 'assistant'\?"),
        ({"read": {"span": {"mesage": 1}}}, r"'read.span': a span has no key 'mesage'; did you mean 'message'\?"),
        ({"read": {"span": {"turn": 1}}}, "'read.span': a span has no key 'turn'; give all, marked, assistant, "),
        ({"read": {"span": {"between": ["a"]}}}, r"'read.span': between holds \['a'\]; give it two strings"),
        ({"read": {"long_texts": "truncate"}}, "'read.long_texts': .*'truncate_left' or 'truncate_right'"),
        ({"read": {"skip_first": -1}}, "'read.skip_first'"),
        ({"read": {"zzz": 1}}, r"unknown key 'read.zzz'; known keys here are sites, pooling"),
        ({"model": {}}, "the key 'model.path' is missing"),
        ({"train": {"distribution": "b"}}, "train names the distribution 'b', but texts has a"),
        ({"train": {"distribution": "a", "judge_only": ["a"]}}, "'a' cannot be both fitted on"),
        ({"train": {"distribution": "a", "fractions": [0.5, 0.5, 0.5]}}, "add up to 1"),
        ({"threshold": {"fpr": 2}}, "'threshold.fpr': input should be less than 1"),
        ({"threshold": {"guarantee": "mean"}}, "'threshold.guarantee': .*'confidence' or 'average'"),
        ({"threshold": {"per_day": 0}}, "'threshold.per_day': input should be greater than 0"),
        ({"texts": {}}, "'texts'"),
        ({"name": "../up"}, "'name'"),
        ({"probes": {"methods": ["cca"]}}, "'probes.methods': give all, or a list of some of mean_difference"),
    ],
)
def test_a_wrong_spec_is_refused_in_one_sentence(change: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        parse_spec({**_GOOD, **change})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "span"),
    [
        ("assistant", "assistant"),
        ("{message: 2}", NthMessage(2)),
        ("{message: -1}", NthMessage(-1)),
        ("{between: [<think>, </think>]}", Between("<think>", "</think>")),
        ("null", None),
    ],
)
def test_a_span_is_written_in_yaml_and_kept_in_json(tmp_path: Path, written: str, span: object) -> None:
    read = f"read: {{span: {written}, skip_first: 4, long_texts: truncate_right}}\n"
    path = _write(tmp_path, "name: s\nmodel: {path: m}\ntexts: {a: a.jsonl}\ntrain: {distribution: a}\n" + read)
    spec = read_spec(path)
    assert (spec.read.span, spec.read.skip_first, spec.read.long_texts) == (span, 4, "truncate_right")
    assert type(spec).model_validate_json(spec.model_dump_json()) == spec


def test_sites_are_kept_as_written_and_blocks_that_no_model_has_are_left_to_the_model() -> None:
    written = ["99.resid_post", "-1.z.h3", "0.resid_pre"]
    assert parse_spec({**_GOOD, "read": {"sites": written}}).read.sites == tuple(written)


def test_a_parameter_is_filled_in_and_a_missing_one_is_named(tmp_path: Path) -> None:
    path = _write(tmp_path, "name: s\nmodel: {path: $model}\ntexts: {a: $data/a.jsonl}\ntrain: {distribution: a}\n")
    assert read_spec(path, values={"model": "m", "data": "d"}).texts == {"a": "d/a.jsonl"}
    with pytest.raises(SpecError, match=r"the parameter \$data without a value; add --set data=VALUE"):
        read_spec(path, values={"model": "m"})


def test_paths_are_taken_from_beside_the_spec_where_they_exist_there(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}", encoding="utf-8")
    path = _write(tmp_path, "name: s\nmodel: {path: m}\ntexts: {a: a.jsonl}\ntrain: {distribution: a}\n")
    spec = read_spec(path)
    assert spec.texts == {"a": str(tmp_path / "a.jsonl")}
    assert spec.model.path == "m"


def test_a_file_that_is_missing_or_no_yaml_or_no_mapping_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="does not exist"):
        read_spec(tmp_path / "none.yaml")
    with pytest.raises(SpecError, match="is not valid YAML"):
        read_spec(_write(tmp_path, "name: [unclosed\n"))
    with pytest.raises(SpecError, match="must hold keys and values"):
        read_spec(_write(tmp_path, "- just\n- a list\n"))


def test_every_shipped_example_is_a_valid_spec() -> None:
    examples = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
    assert len(examples) >= 3
    for path in examples:
        asked = set(re.findall(r"\$(\w+)", re.sub("#.*", "", path.read_text(encoding="utf-8"))))
        values = {"pooling": "last", "home": "hate"}
        assert read_spec(path, values={name: values.get(name, "x") for name in asked}).texts


def test_every_span_in_the_documents_is_valid() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "token-selections.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert [parse_spec({**_GOOD, **yaml.safe_load(block)}).read.span for block in blocks] == [
        NthMessage(-1),
        "all",
        Between("<think>", "</think>"),
    ]


def test_a_misspelt_key_that_is_needed_is_told_as_misspelt() -> None:
    with pytest.raises(SpecError, match=r"unknown key 'modle'; did you mean 'model'\?"):
        parse_spec({"name": "s", "modle": {"path": "m"}, "texts": {"a": "a"}, "train": {"distribution": "a"}})


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="the key 'a' stands twice"):
        read_spec(_write(tmp_path, "name: s\ntexts: {a: one.jsonl, a: two.jsonl}\n"))


def test_a_value_that_no_parameter_takes_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, "name: s\nmodel: {path: m}\ntexts: {a: a.jsonl}\ntrain: {distribution: a}\n")
    with pytest.raises(SpecError, match="--set gives a value for 'modle'"):
        read_spec(path, values={"modle": "x"})


def test_a_dollar_in_a_comment_is_no_parameter_and_a_value_may_hold_anything(tmp_path: Path) -> None:
    path = _write(tmp_path, "name: s  # costs $5\nmodel: {path: $m}\ntexts: {a: a.jsonl}\ntrain: {distribution: a}\n")
    assert read_spec(path, values={"m": "a: {odd} path"}).model.path == "a: {odd} path"


def test_a_spec_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes("name: é".encode("utf-16"))
    with pytest.raises(FileError, match="cannot be read as UTF-8"):
        read_spec(path)
    with pytest.raises(FileError, match="is a folder"):
        read_spec(tmp_path)
