"""Groups from shared words: entities join, templates do not, and the baseline's artefact goes away."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from tiltmeter.core.errors import DataWarning, SpecError
from tiltmeter.data import TextSet, group_by_shared_words, group_folds, read_texts


def _texts(*rows, pairs=None) -> TextSet:
    return TextSet(
        np.array([str(i) for i in range(len(rows))]),
        texts=rows,
        pairs=None if pairs is None else np.array(pairs, dtype=np.str_),
    )


def _countries(n=40):
    """Each city once with its own country and once with the next one of eight."""
    return [f"The city of City{i:02d}x is in Land{(i + shift) % 8}y." for i in range(n) for shift in (0, 1)]


def test_rows_about_one_city_are_joined_and_countries_and_the_template_join_nothing():
    found = group_by_shared_words(_texts(*_countries()))
    assert found.n_groups == 40
    assert found.largest == 2
    assert found.word_rows == 2
    assert found.left_out == "land0y"
    assert all(found.groups[i] == found.groups[i + 1] for i in range(0, 80, 2))


def test_rows_are_joined_by_way_of_others():
    chain = [f"word{i} word{i + 1} and some more" for i in range(4)]
    found = group_by_shared_words(_texts(*chain, *(f"lone{i} and some more" for i in range(36))))
    assert len(set(found.groups[:4])) == 1
    assert found.n_groups == 37


def test_case_and_punctuation_do_not_hide_a_shared_word():
    found = group_by_shared_words(_texts("ROME is old", "in Rome!", *(f"row{i} is" for i in range(20))))
    assert found.groups[0] == found.groups[1]


def test_pairs_and_copies_stay_together_whatever_the_words():
    rows = ("a one", "b two", "a  ONE", "a three", "b four")
    found = group_by_shared_words(_texts(*rows, pairs=["", "p", "", "", "p"]), max_share=0.1)
    assert found.groups[0] == found.groups[2]
    assert found.groups[1] == found.groups[4]
    assert found.n_groups == 3


def test_a_large_share_that_joins_most_rows_is_warned_of_with_the_word_that_did_it():
    with pytest.warns(DataWarning, match=r"one group holds 80 of 80 rows; .* is .* in 80 rows, so lower max_share"):
        found = group_by_shared_words(_texts(*_countries()), max_share=1.0)
    assert found.left_out is None


def test_texts_that_share_nothing_are_alone_without_a_warning():
    found = group_by_shared_words(_texts("one", "two", "three"))
    assert (found.n_groups, found.word_rows, found.left_out) == (3, 1, None)


@pytest.mark.parametrize("max_share", [0.0, -1.0, 1.5])
def test_the_share_must_be_a_share(max_share):
    with pytest.raises(SpecError, match="above 0 and at most 1"):
        group_by_shared_words(_texts("one", "two"), max_share=max_share)


def _tf_idf_auroc(texts, groups):
    """Average AUROC of TF-IDF over five grouped folds, as baselines reads it."""
    rows = np.array(texts.texts, dtype=object)
    scores = []
    for fold in group_folds(groups, texts.y, n_folds=5, seed=0):
        model = make_pipeline(
            TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), sublinear_tf=True),
            LogisticRegression(C=10.0, max_iter=2000),
        ).fit(rows[fold.train], texts.y[fold.train])
        scores.append(roc_auc_score(texts.y[fold.test], model.decision_function(rows[fold.test])))
    return float(np.mean(scores))


@pytest.mark.parametrize(
    ("name", "ungrouped", "grouped"),
    [("cities", (0.0, 0.15), (0.44, 0.54)), ("sp_en_trans", (0.25, 0.42), (0.46, 0.56))],
)
def test_shared_words_lift_the_text_baseline_from_below_chance_to_chance(shared_data, name, ungrouped, grouped):
    texts = replace(read_texts(shared_data / f"truth/{name}.jsonl"), groups=None)
    assert ungrouped[0] < _tf_idf_auroc(texts, texts.ids) < ungrouped[1]
    assert grouped[0] < _tf_idf_auroc(texts, group_by_shared_words(texts).groups) < grouped[1]


def test_comparisons_have_no_entity_words_and_the_text_alone_solves_them(shared_data):
    texts = read_texts(shared_data / "truth/larger_than.jsonl")
    with pytest.warns(DataWarning, match="larger_than: no shared word could join rows"):
        found = group_by_shared_words(texts)
    assert found.n_groups == len(texts)
    assert _tf_idf_auroc(texts, found.groups) > 0.98
