"""The whole model: what the record says agrees with its parts, and says no more than the nulls leave."""

from __future__ import annotations

import functools
from typing import get_args

import numpy as np
import pytest
from tiny_models import tiny_subject

from tiltmeter.anatomy import (
    CoherenceSettings,
    Judge,
    locate,
    spelling_vectors,
    token_lens,
    weight_anatomy,
    weight_svds,
)
from tiltmeter.anatomy._weight_conclusions import conclusions
from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Unavailable
from tiltmeter.core.weights import AgainstNull, MatrixName, NullName, WeightAnatomy
from tiltmeter.evaluation import holm

SETTINGS = CoherenceSettings(n_directions=4, n_top=5, n_random=200, n_rotations=19, n_draws=199)
_subject = functools.cache(tiny_subject)


@functools.cache
def anatomy(family: str = "llama") -> WeightAnatomy:
    lens = token_lens(_subject(family), through="embedding")
    judges = {
        "spelling": Judge(spelling_vectors(lens.texts), "letters"),
        "noise": Judge(np.random.default_rng(0).normal(size=(len(lens.texts), 6)), "nothing at all"),
    }
    return weight_anatomy(_subject(family), lens, judges=judges, matrices=["ov", "mlp_out"], settings=SETTINGS)


@pytest.mark.parametrize("family", ["llama", "gpt2", "mixtral", "bert", "t5"])
def test_the_record_holds_every_matrix_its_directions_and_rows(family):
    found = anatomy(family)
    parts = 4 if family == "mixtral" else 1
    assert len(found.matrices) == 3 * 4 + 3 * parts
    # two sides of OV, one of MLP out; three nulls and two judges each
    assert len(found.comparisons) == 3 * 3 * 2
    assert found.n_listed == sum(len(one.directions) for one in found.matrices) == (3 * 4 * 2 + 3 * parts) * 4
    assert all(len(one.rows) == 3 * len({d.side for d in one.directions}) for one in found.matrices)
    again = WeightAnatomy.model_validate_json(found.model_dump_json())
    assert again == found


def test_directions_of_the_record_are_those_of_the_model():
    found, subject = anatomy(), _subject("llama")
    lens = token_lens(subject, through="embedding")
    svd = list(weight_svds(subject, "ov"))[6]
    listed = [one for one in found.matrices[6].directions if one.side == "writes"]
    assert (found.matrices[6].layer, found.matrices[6].part) == (svd.layer, svd.part) == (1, 2)
    assert np.allclose(found.matrices[6].values, svd.values)
    for one in listed:
        order = np.argsort(lens.rows @ svd.sides["writes"].vectors[one.index])
        assert one.ends.bottom == tuple(lens.texts[i] for i in order[:5])
        assert one.ends.top == tuple(lens.texts[i] for i in order[::-1][:5])
        assert one.value == svd.values[one.index]
        assert one.share == pytest.approx(svd.values[one.index] ** 2 / (svd.values**2).sum())
    norms = np.linalg.norm(svd.sides["writes"].rows, axis=1)
    assert {one.row for one in found.matrices[6].rows if one.side == "writes"} == set(np.argsort(-norms)[:3].tolist())


def test_p_values_are_corrected_for_all_comparisons_of_the_record():
    found = anatomy()
    assert [one.p_holm for one in found.comparisons] == list(holm([one.p for one in found.comparisons]))


def test_random_weights_are_named_by_no_judge_and_above_no_null():
    found = anatomy()
    assert found.n_found == {"spelling": 0, "noise": 0}
    assert all(one.p_holm > 0.05 for one in found.comparisons)
    assert all(said.endswith("not seen to be more coherent than random directions.") for said in found.conclusions)


def test_the_same_seed_gives_the_same_record():
    subject = _subject("llama")
    lens = token_lens(subject)
    judges = {"spelling": Judge(spelling_vectors(lens.texts), "letters")}
    runs = [weight_anatomy(subject, lens, judges=judges, matrices=["ov"], settings=SETTINGS) for _ in range(2)]
    other = weight_anatomy(subject, lens, judges=judges, matrices=["ov"], settings=SETTINGS._replace(seed=1))
    assert runs[0] == runs[1] and other.comparisons != runs[0].comparisons


def test_one_matrix_alone_has_the_same_figures_as_among_others():
    subject = _subject("llama")
    lens = token_lens(subject, through="embedding")
    judges = {"spelling": Judge(spelling_vectors(lens.texts), "letters")}
    alone = weight_anatomy(subject, lens, judges=judges, matrices=["mlp_out"], layers=[1], settings=SETTINGS)
    (same,) = [one for one in anatomy().matrices if (one.matrix, one.layer) == ("mlp_out", 1)]
    assert [one.coherence["spelling"] for one in alone.matrices[0].directions] == [
        one.coherence["spelling"] for one in same.directions
    ]


def test_judges_that_do_not_fit_are_refused():
    subject = _subject("llama")
    lens = token_lens(subject)
    with pytest.raises(SpecError, match="No judge was given"):
        weight_anatomy(subject, lens, judges={})
    with pytest.raises(SpecError, match="The judge short has 3 vectors for"):
        weight_anatomy(subject, lens, judges={"short": Judge(np.eye(3), "")})


def test_a_matrix_or_block_that_is_named_twice_is_refused_and_not_counted_twice():
    subject = _subject("llama")
    lens = token_lens(subject)
    judges = {"spelling": Judge(spelling_vectors(lens.texts), "letters")}
    with pytest.raises(SpecError, match="matrices names one of ov, ov twice"):
        weight_anatomy(subject, lens, judges=judges, matrices=["ov", "ov"])
    for layers in ([0, 0], [2, -1]):
        with pytest.raises(SpecError, match="which names a block twice"):
            weight_anatomy(subject, lens, judges=judges, layers=layers)


def test_a_matrix_that_is_alone_has_rotations_enough_for_a_p_value_that_survives_correction():
    subject = _subject("llama")
    lens = token_lens(subject)
    judges = {"noise": Judge(np.random.default_rng(0).normal(size=(len(lens.texts), 6)), "nothing at all")}
    settings = SETTINGS._replace(n_rotations=100)
    found = weight_anatomy(subject, lens, judges=judges, matrices=["mlp_out"], layers=[1], settings=settings)
    (p,) = [one.p for one in found.comparisons if one.null == "rotated basis"]
    # it is a share of 1,001, and not of 101
    assert p * 1001 == pytest.approx(round(p * 1001)) and p * 101 != pytest.approx(round(p * 101))


def test_heads_that_share_values_are_one_look_at_what_is_read_and_several_at_what_is_written():
    subject = _subject("llama-grouped-tied")
    lens = token_lens(subject)
    judges = {"spelling": Judge(spelling_vectors(lens.texts), "letters")}
    found = weight_anatomy(subject, lens, judges=judges, matrices=["ov"], settings=SETTINGS)
    n_keys = subject.model.config.num_key_value_heads
    of = {one.side: one for one in found.comparisons if one.null == "random directions"}
    assert of["writes"].n_matrices == of["reads"].n_matrices == subject.n_layers * subject.n_heads
    # six groups of heads are too few for an interval over them
    assert subject.n_layers * n_keys < 8 and of["reads"].unit == "directions" and of["writes"].unit == "matrices"


def said(above: set[NullName]) -> str:
    rows = [
        AgainstNull(
            matrix="ov", side="writes", judge="j", null=null, n_matrices=1, n_directions=1, coherence=0.1,
            null_coherence=0.0, difference=Unavailable(reason="x"), unit="matrices", p=0.01,
            p_holm=0.01 if null in above else 1.0,
        )
        for null in get_args(NullName)
    ]  # fmt: skip
    (sentence,) = conclusions(rows, level=0.95)
    return sentence


def test_a_conclusion_claims_the_svd_only_where_all_three_nulls_are_beaten():
    random, rotated, rows = get_args(NullName)
    assert said({random, rotated, rows}).endswith("more coherent than all three nulls.")
    assert "nothing was seen that the SVD adds" in said({random})
    assert "single directions were not seen to mean more than others" in said({random, rows})
    assert "not seen to be above raw rows, which need no SVD" in said({random, rotated})
    for one in ({rows}, {rotated}, {rows, rotated}):
        assert "but not seen to be above random directions, which is the floor" in said(one)
    assert said(set()).endswith("not seen to be more coherent than random directions.")


def test_every_kind_of_matrix_has_its_words():
    from tiltmeter.anatomy._weight_conclusions import _MATRICES

    assert set(_MATRICES) == set(get_args(MatrixName))


def test_words_are_located_where_they_were_planted_and_random_words_are_not():
    subject = _subject("llama")
    lens = token_lens(subject)
    words = ["w3", "w11", "w25"]
    rows = np.stack([lens.rows[lens.texts.index(word)] for word in words])
    query = rows.mean(axis=0) / np.linalg.norm(rows.mean(axis=0))
    svds = list(weight_svds(subject, "ov"))
    planted = svds[7].sides["writes"]._replace(vectors=np.concatenate([query[None], svds[7].sides["writes"].vectors]))
    svds[7] = svds[7]._replace(sides={**svds[7].sides, "writes": planted})
    found = locate(words, lens, svds=svds, n_random=199)
    assert (found[0].layer, found[0].part, found[0].side, found[0].number) == (1, 3, "writes", 0)
    assert found[0].cosine == pytest.approx(1) and found[0].p == 1 / 200
    assert [abs(one.cosine) for one in found] == sorted((abs(one.cosine) for one in found), reverse=True)
    p = [locate([f"w{i}"], lens, svds=list(weight_svds(subject, "ov")), n_random=39)[0].p for i in range(40)]
    # a word that is one of those drawn: the share of small p-values is what it says, within what 40 can show
    assert 0.3 < np.mean(p) < 0.7


def test_words_that_are_no_tokens_and_empty_queries_are_refused():
    lens = token_lens(_subject("llama"))
    svds = list(weight_svds(_subject("llama"), "ov"))
    with pytest.raises(SpecError, match="'Rome' is not one of the"):
        locate(["w1", "Rome"], lens, svds=svds)
    with pytest.raises(SpecError, match="words names a token twice"):
        locate(["w1", "w1"], lens, svds=svds)
    spaced = lens._replace(texts=tuple(f" {text}" for text in lens.texts))
    with pytest.raises(SpecError, match="listed tokens; ' w1' is, with its space"):
        locate(["w1"], spaced, svds=svds)
    with pytest.raises(SpecError, match="words is empty"):
        locate([], lens, svds=svds)
    with pytest.raises(SpecError, match="svds is empty"):
        locate(["w1"], lens, svds=[])
