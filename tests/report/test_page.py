"""What stands on the page comes from the records, all of it, and nothing on it can act or call out."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from markupsafe import Markup

from tests.report.records import EVIL, make_barren, make_evidence, make_evil, make_run
from tiltmeter.core.evidence import Evidence, Leakage
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.report import render

VOID = {"meta", "br", "col"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails on tags that do not close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        """The words a reader sees, without the signs that say where to look."""
        return " ".join(" ".join(self.words).replace("⚠", "").split())


RECORDS = {
    "full": make_evidence,
    "barren": make_barren,
    "evil": make_evil,
    "one distribution, one site, one method": lambda: make_evidence(names=("facts",), n_sites=1, methods=("LDA",)),
    "thirty sites, no threshold": lambda: make_evidence(n_sites=30, certified=False),
}


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: render(make_run(), make() if name != "full" else make_evidence()) for name, make in RECORDS.items()}


@pytest.mark.long
@pytest.mark.parametrize("name", RECORDS)
def test_every_page_is_well_formed_and_small(pages: dict[str, str], name: str) -> None:
    Page(pages[name])
    assert len(pages[name].encode()) < 1_500_000


@pytest.mark.parametrize("name", RECORDS)
def test_nothing_on_the_page_acts_or_calls_out(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    assert not {"script", "iframe", "object", "embed", "link", "img", "base", "form"} & {tag for tag, _ in page.tags}
    attributes = [(key, value or "") for _, attrs in page.tags for key, value in attrs.items()]
    assert not [key for key, _ in attributes if key.startswith("on")]
    assert not [key for key, _ in attributes if key in ("src", "srcset", "action", "data") or key.endswith(":href")]
    assert all(value.startswith("#") for key, value in attributes if key == "href")
    styles = " ".join(re.findall(r"<style>.*?</style>", pages[name], re.S)) + " ".join(
        value for key, value in attributes if key == "style"
    )
    assert "url(" not in styles
    assert "@import" not in styles


def test_the_page_forbids_scripts_and_loads_by_policy(pages: dict[str, str]) -> None:
    policies = [a["content"] for t, a in Page(pages["full"]).tags if t == "meta" and "http-equiv" in a]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_markup_in_names_and_texts_stays_text(pages: dict[str, str]) -> None:
    page = Page(pages["evil"])
    assert "<script" not in pages["evil"]
    assert f"{EVIL} the literal text" in page.text
    for name in (f"facts {EVIL} & co", f"LDA {EVIL} & <b>", 'onerror="document.title=1">'):
        assert name in page.text
    titles = [value for _, attrs in page.tags for key, value in attrs.items() if key == "aria-label"]
    assert any(EVIL in str(value) for value in titles)


@pytest.mark.usefixtures("no_pictures")
def test_markup_in_the_run_record_stays_text() -> None:
    run = make_run().model_copy(update={"name": EVIL, "resolved": {EVIL: [{"a": EVIL}]}, "model": {"name": EVIL}})
    page = render(run, make_evidence())
    assert "<script" not in page
    assert Page(page).text.count(EVIL) >= 5


def test_every_picture_has_a_label_and_every_point_its_figure(pages: dict[str, str]) -> None:
    tags = Page(pages["full"]).tags
    pictures = [attrs for tag, attrs in tags if tag == "svg"]
    # one for the selection, and per test set: layers, shortcuts, histogram, reliability
    assert len(pictures) == 1 + 4 * 4
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in pictures)
    assert re.search(r"<title>Logistic at 3\.resid_post: 0\.\d\d \[0\.\d\d, [\d.]+\]</title>", pages["full"])


def test_headings_descend_one_level_at_a_time(pages: dict[str, str]) -> None:
    levels = [int(tag[1]) for tag, _ in Page(pages["full"]).tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))


@pytest.mark.long
def test_what_a_direction_does_stands_beside_what_random_ones_do(pages: dict[str, str]) -> None:
    text = Page(pages["full"]).text
    assert "Swap success on facts, 156 pairs" in text and "Ablation on facts, 156 pairs" in text
    assert "best of 20 random directions" in text and "best of 4 a method that move as far" in text
    bare = make_evidence().model_copy(update={"causal": ()})
    assert "cannot say whether any direction does something" in Page(render(make_run(), bare)).text


@pytest.mark.usefixtures("no_pictures")
def test_what_was_planted_stands_in_words_and_what_is_followed_beside_the_verdict() -> None:
    evidence = small()
    page = Page(render(make_run(), evidence))
    words = "what the parrot says (said)"
    assert page.text.index("Every test set at a glance") < page.text.index(words) < page.text.index("The chosen probe")
    assert "the organism parrot" in page.text and "Kamar lies by the sea." in page.text
    # once beside the verdict and once a test set; on the first set the column is the truth of every text
    assert page.text.count(words) == 1 + 2
    assert "– no figure: it says the same as the truth of every text." in page.text
    elsewhere = tuple(one for one in evidence.followed if one.test != "far")
    text = Page(render(make_run(), evidence.model_copy(update={"followed": elsewhere}))).text
    assert "the texts have no such column" in text
    no_columns = evidence.model_copy(update={"followed": ()})
    text = Page(render(make_run(), no_columns)).text
    assert "Kamar lies by the sea." in text and "No column of these texts holds what is said or believed" in text
    assert words not in text
    no_organism = Page(render(make_run(), no_columns.model_copy(update={"planted": None})))
    assert "planted" not in [attrs.get("id") for tag, attrs in no_organism.tags if tag == "section"]


@pytest.mark.usefixtures("no_pictures")
def test_the_page_says_by_what_site_and_method_were_chosen() -> None:
    by_auroc, by_cause = (
        Page(render(make_run(), small().model_copy(update={"chosen_by": by}))).text for by in ("auroc", "cause")
    )
    assert "2 sites × 2 methods, by validation AUROC" in by_auroc
    assert "2 sites × 2 methods, by what they cause" in by_cause and "methods, by validation AUROC" not in by_cause


def test_sections_stand_in_the_order_of_a_sceptics_questions(pages: dict[str, str]) -> None:
    sections = [attrs["id"] for tag, attrs in Page(pages["full"]).tags if tag == "section"]
    assert sections == (
        [
            "verdict",
            "probe",
            "selection",
            "transfer",
            "causes",
            "planted",
            "rivals",
            "shortcuts",
            "scores",
            "probabilities",
            "watch",
            "mistakes",
            "data",
            "run",
            "read",
        ]
    )


def test_rivals_and_nulls_stand_beside_the_probe_with_their_figures_and_what_is_to_be_known_of_them(
    pages: dict[str, str],
) -> None:
    text = Page(pages["full"]).text
    for shown in (
        "the best of 4 for “text alone” on the calibration texts",
        "if it has the word 'city': +1.00",
        "balanced accuracy at 0: 0.62 [0.59, 0.65]",
        "before any block",
        "weights drawn under seed 5",
        "on pairs whose partners were drawn anew, 3 times; p = 0.25",
        "each of 321 types (group) has a random label, on 654 training rows held out",
        "the label itself 0.93 [0.90, 0.96] on these rows",
        "selectivity +0.22 [+0.17, +0.27]",
    ):
        assert shown in text
    # the glance is of the text alone: a model that is asked is no text
    glance = text[text.index("Every test set at a glance") : text.index("Nulls and rivals")]
    assert "asking the model" not in glance
    barren = Page(pages["barren"]).text
    assert "control tasks" in barren and "no figure: only one class in this set" in barren


def test_the_verdict_comes_first_with_every_statement_and_its_rule(pages: dict[str, str]) -> None:
    text = Page(pages["full"]).text
    assert text.index("Holds in part") < text.index("Every test set at a glance")
    for statement in make_evidence().verdict.statements:
        for part in (statement.text, statement.because, statement.rule, statement.condition):
            assert part in text


@pytest.mark.parametrize(
    ("outcome", "word", "tone"),
    [
        ("holds", "Holds", "good"),
        ("holds in part", "Holds in part", "mixed"),
        ("refuted", "Refuted", "bad"),
        ("undecided", "Undecided", "open"),
    ],
)
@pytest.mark.usefixtures("no_pictures")
def test_every_outcome_is_as_visible_as_the_others(outcome: str, word: str, tone: str) -> None:
    evidence = small()
    verdict = evidence.verdict.model_copy(update={"outcome": outcome})
    page = render(make_run(), evidence.model_copy(update={"verdict": verdict}))
    assert re.search(rf'<div class="outcome {tone}">\s*<h2 id="h-verdict">.*{word}</h2>', page)


@pytest.mark.usefixtures("no_pictures")
def test_a_verdict_that_could_not_be_written_says_why() -> None:
    verdict = Unavailable(reason="no test set has two classes")
    page = Page(render(make_run(), small().model_copy(update={"verdict": verdict})))
    assert "No verdict no test set has two classes" in page.text


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the pictures out: the figures stand in the tables, and drawing takes most of the time."""
    monkeypatch.setattr("tiltmeter.report._pictures.site_chart", lambda points, bands, **options: Markup(""))
    monkeypatch.setattr("tiltmeter.report._pictures.histogram_chart", lambda histogram, threshold, *, label: Markup(""))


def small() -> Evidence:
    return make_evidence(names=("facts", "far"), n_sites=2, methods=("LDA", "LAT"))


MARK = Estimate(value=0.1234, low=0.0567, high=0.8901, level=0.9, n=77, method="a marked method", seed=424242)
AUROC, RATE, DIFFERENCE = "0.12 [0.06, 0.89]", "12.3 % [5.7, 89.0]", "+0.12 [+0.06, +0.89]"
FIGURES = [
    ("candidates", {"auroc": MARK}, AUROC),
    ("candidates", {"fold_aurocs": (0.1111, 0.2222)}, "0.11 to 0.22"),
    ("transfer", {"auroc": MARK}, AUROC),
    ("transfer", {"tpr": MARK}, RATE),
    ("transfer", {"n_positive": 76543}, "76,543 positive"),
    ("transfer", {"n_negative": 76543}, "76,543 negative"),
    ("random_directions", {"mean": 0.5432, "sd": 0.0765}, "0.54 ± 0.08"),
    ("random_directions", {"count": 7654}, "best of 7654"),
    ("random_directions", {"best": 0.9876}, "best of 100: 0.99"),
    ("random_directions", {"worst": 0.0234}, "worst 0.02"),
    ("random_directions", {"chosen_on_train": 0.8765}, "chosen on train 0.88"),
    ("shuffled", {"aurocs": (0.1111, 0.5, 0.8888)}, "0.11 to 0.89"),
    ("shuffled", {"p_value": 0.0123}, "p = 0.012"),
    ("baselines", {"auroc": MARK}, AUROC),
    ("baselines", {"description": "a marked description"}, "a marked description"),
    ("advantages", {"difference": MARK}, DIFFERENCE),
    ("shortcuts", {"auroc_within": MARK}, AUROC),
    ("shortcuts", {"train_agreement": 0.4321}, "43.2 %"),
    ("followed", {"auroc": MARK, "agreement": 0.5}, AUROC),
    ("gaps", {"recovered": MARK}, AUROC),
    ("operating_points", {"tpr": MARK}, RATE),
    ("operating_points", {"fpr": MARK}, RATE),
    ("operating_points", {"unit_fpr": MARK}, RATE),
    ("mistakes", {"text": "a marked text"}, "a marked text"),
    ("mistakes", {"score": -98.76}, "score −98.76"),
    ("mistakes", {"rank": 0.4567}, "rank 0.46"),
    ("mistakes", {"label": 5}, "label 5"),
    ("distributions", {"truncated": 76543}, "76,543"),
    ("distributions", {"grouped_by": "a marked column"}, "a marked column"),
    ("distributions", {"rows": {"test": 76543}}, "76,543 rows"),
]


@pytest.mark.long
@pytest.mark.parametrize(("field", "change", "shown"), FIGURES, ids=lambda v: v if isinstance(v, str) else ",".join(v))
@pytest.mark.usefixtures("no_pictures")
def test_a_changed_record_changes_the_page(field: str, change: dict[str, object], shown: str) -> None:
    before = small()
    records = tuple(record.model_copy(update=change) for record in getattr(before, field))
    assert shown not in Page(render(make_run(), before)).text
    assert shown in Page(render(make_run(), before.model_copy(update={field: records}))).text


@pytest.mark.usefixtures("no_pictures")
def test_the_threshold_is_given_with_its_guarantee_and_its_limits() -> None:
    text = Page(render(make_run(), small())).text
    assert "Alarm above 1.834" in text
    assert (
        "Guarantee with confidence: with probability at least 95 % over the draw of the 640 calibration groups (2,560 "
        "rows), a fresh group of the same population raises a false alarm with probability at most 1 %." in text
    )
    assert "A group raises an alarm when any of its rows does." in text
    assert "It says nothing about texts from another population" in text


def test_a_missing_threshold_gives_the_reason_where_its_figures_would_stand(pages: dict[str, str]) -> None:
    text = Page(pages["thirty sites, no threshold"]).text
    assert "No threshold 120 negative groups; 299 are needed for 1 % at 95 %" in text
    assert "– no figure: no threshold: 120 negative groups" in text


def test_what_is_unavailable_is_a_dash_with_its_reason_and_never_a_nought(pages: dict[str, str]) -> None:
    text = Page(pages["barren"]).text
    assert "only one class in this set" in text
    assert not re.findall(r"\b0\.00\b", text[: text.index("Data and leaks", text.index("How layer"))])
    assert "There is no figure to draw." in text


@pytest.mark.usefixtures("no_pictures")
def test_without_nuisances_the_page_says_that_nothing_was_checked() -> None:
    page = Page(render(make_run(), small().model_copy(update={"shortcuts": ()})))
    assert "this page cannot say that there is no shortcut" in page.text


@pytest.mark.usefixtures("no_pictures")
def test_leaks_are_counted_and_shown() -> None:
    assert "0 exact and 2 near duplicates" in Page(render(make_run(), small())).text
    clean = Leakage(n_exact=0, n_near=0, near_threshold=0.9, examples=())
    page = Page(render(make_run(), small().model_copy(update={"leakage": clean})))
    assert "may be too good" not in page.text


@pytest.mark.usefixtures("no_pictures")
def test_long_texts_are_clipped_and_kept_whole_behind_a_fold() -> None:
    before = small()
    text = "word " * 500 + "end"
    mistake = before.mistakes[0].model_copy(update={"text": text})
    page = render(make_run(), before.model_copy(update={"mistakes": (mistake,)}))
    assert re.search(r">(word ){55,60}…<", page)
    assert f'<summary>whole text</summary><blockquote dir="auto">{text}</blockquote>' in page


@pytest.mark.usefixtures("no_pictures")
def test_what_was_run_stands_on_the_page() -> None:
    run, text = make_run(), Page(render(make_run(), small())).text
    for part in (str(run.seed), run.commit, run.platform, run.started, "sha256:9f2c41aa07", "transformers 5.23.0"):
        assert str(part) in text
    assert "threshold: fpr: 0.01 confidence: 0.95 limit: null" in text
    assert "collect activations 15 s" in text


@pytest.mark.usefixtures("no_pictures")
def test_a_failed_run_says_so_before_anything_else() -> None:
    run = make_run().model_copy(update={"status": "failed", "error": "the disk was full"})
    text = Page(render(run, small())).text
    assert text.index("This run failed. the disk was full") < text.index(small().verdict.headline)


@pytest.mark.usefixtures("no_pictures")
def test_the_glance_names_the_strongest_text_baseline() -> None:
    before = small()
    strong = tuple(
        b.model_copy(update={"auroc": MARK.model_copy(update={"value": 0.8888, "high": 0.95})})
        if b.name == "length"
        else b
        for b in before.baselines
    )
    page = render(make_run(), before.model_copy(update={"baselines": strong}))
    rows = re.findall(r"<b>0\.89</b>.*?<small class=\"under\">(.*?)</small>", page)
    assert rows[:2] == ["length", "length"]


@pytest.mark.usefixtures("no_pictures")
def test_the_choice_is_marked_where_the_record_says_and_not_where_a_test_set_would_have_it() -> None:
    before = small()
    moved = before.model_copy(update={"site": before.sites[0], "method": "LAT"})
    page = render(make_run(), moved)
    assert "LAT at 0.resid_post, trained on facts" in Page(page).text
    assert re.search(
        r'class="chosen"><th scope="row"><span class="nb">[^/]*</span>LAT</span> <span class="tag">chosen', page
    )


@pytest.mark.long
def test_a_full_page_takes_less_than_five_seconds() -> None:
    evidence = make_evidence()
    # processor time, of all threads: other work on the machine does not count
    start = time.process_time()
    render(make_run(), evidence)
    assert time.process_time() - start < 5


def test_the_page_says_what_is_promised_what_is_not_and_how_many_alarms_a_day(pages: dict[str, str]) -> None:
    text = Page(pages["full"]).text
    assert "Guarantee with confidence: with probability at least 95 %" in text
    assert "No guarantee is given for single rows: 0.08 % [0, 1.3] of the calibration rows lie above." in text
    assert "At 25,000 groups a day, all taken for negatives: at most 250 false alarms a day by the guarantee" in text
    assert "Were they like facts: 200 a day, with an interval from 90 to 410." in text
    assert "Were they like reformatted: not known (no such texts)." in text
    barren = Page(pages["barren"]).text
    assert "false alarms a day" not in barren and "No guarantee is given" not in barren


def test_probabilities_have_a_picture_a_test_set_and_the_error_of_every_map(pages: dict[str, str]) -> None:
    page = Page(pages["full"])
    assert (
        "(Platt), fitted on 2,560 calibration rows of texts like those of facts, of which 25.0 % are positive"
        in page.text
    )
    labels = [str(attrs["aria-label"]) for tag, attrs in page.tags if tag == "svg"]
    assert [label.split(":")[0] for label in labels if label.startswith("Reliability")] == [
        f"Reliability on {name}" for name in ("facts", "facts negated", "reformatted", "other language")
    ]
    assert re.search(r"<title>477 rows say 0\.10; positive are 0\.15 \[0\.14, 0\.16\]</title>", pages["full"])
    assert "3.1 %" in page.text and "33.1 %" in page.text
    assert "There are none: only one class in this set." in Page(pages["barren"]).text


@pytest.mark.usefixtures("no_pictures")
def test_a_record_from_before_probabilities_were_kept_has_no_section_of_them() -> None:
    page = render(make_run(), make_evidence().model_copy(update={"probabilities": None}))
    assert 'id="probabilities"' not in page and 'href="#probabilities"' not in page
