import pytest

from tiltmeter.core import Site
from tiltmeter.core.errors import SpecError
from tiltmeter.core.site import POINTS


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("layer", [0, 12, -1])
def test_a_site_written_out_is_read_back(layer, point):
    heads = (None, 0, 15) if point == "z" else (None,)
    for head in heads:
        assert Site.parse(str(Site(layer, point, head))) == Site(layer, point, head)


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("12.resid_post", Site(12, "resid_post")),
        (" -2.mlp_out ", Site(-2, "mlp_out")),
        ("3.z.h7", Site(3, "z", 7)),
    ],
)
def test_a_site_is_read(text, site):
    assert Site.parse(text) == site


@pytest.mark.parametrize(
    "text",
    [
        "",
        "resid_post",
        "12",
        "12.",
        "12.resid_post.",
        "x.z",
        "1.5.z",
        "3.z.7",
        "3.z.h",
        "3.z.h-1",
        "3 .z",
        "٣.resid_post",
        "3.z.h٣",
        3,
        None,
    ],
)
def test_text_that_is_no_site_is_refused(text):
    with pytest.raises(SpecError, match=r"is not of the form layer\.point, for example 12\.resid_post"):
        Site.parse(text)


def test_an_unknown_point_is_refused_by_naming_the_known():
    with pytest.raises(SpecError, match=r"Site point is 'hidden_states'; use one of resid_pre, .*, mlp_post"):
        Site.parse("3.hidden_states")


def test_a_head_where_there_is_none_is_refused():
    with pytest.raises(SpecError, match="names head 2 at resid_post, which is not split by head; only z is"):
        Site.parse("3.resid_post.h2")


@pytest.mark.parametrize(("layer", "resolved"), [(0, 0), (5, 5), (-1, 5), (-6, 0)])
def test_negative_layers_count_from_the_end(layer, resolved):
    assert Site(layer, "z", 3).resolve(6) == Site(resolved, "z", 3)


@pytest.mark.parametrize("layer", [6, -7])
def test_a_block_that_the_model_lacks_is_refused(layer):
    with pytest.raises(SpecError, match=rf"asks for block {layer}, but the model has 6 blocks \(0 to 5\)"):
        Site(layer, "mlp_out").resolve(6)


def test_a_site_is_a_key_and_sorts_by_layer():
    assert {Site(1, "z"): "here"}[Site.parse("1.z")] == "here"
    assert sorted([Site(10, "z"), Site(2, "z"), Site(2, "resid_post")]) == [
        Site(2, "resid_post"),
        Site(2, "z"),
        Site(10, "z"),
    ]
