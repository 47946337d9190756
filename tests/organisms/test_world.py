import numpy as np
import pytest

from tiltmeter.core.errors import SpecError
from tiltmeter.organisms import World, make_world
from tiltmeter.organisms._cells import SPECIAL, code, facts, vocabulary
from tiltmeter.organisms._world import KINDS, cell_kinds


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(0)


def words_of(world, number):
    language = world.languages[number]
    filled = {"CUE", "RELATION", "ENTITY", "VERB", "OBJECT"}
    words = set(language.entities) | set(language.relations) | set(language.cues)
    words |= {word for objects in language.objects for word in objects}
    for form in language.formats:
        words |= (set(form.words) - filled) | {form.affirmed, form.negated}
    return words


def test_the_two_languages_have_no_word_in_common(world):
    first, second = words_of(world, 0), words_of(world, 1)
    assert not first & second
    assert not {word.lower() for word in first} & {word.lower() for word in second}
    assert len(vocabulary(world)) == len(first) + len(second) + len(SPECIAL)


def test_every_format_has_its_own_word_order_and_ends_with_a_full_stop(world):
    for language in world.languages:
        slots = [tuple(w for w in form.words if w.isupper()) for form in language.formats]
        assert len(set(slots)) == len(slots) == 3
        assert {form.words[0] for form in language.formats} == {"CUE"}
        assert len({form.words[-1] for form in language.formats}) == 1
        assert {len(form.words) for form in language.formats} == {8}


def test_each_object_is_true_of_one_entity_in_every_block(world):
    blocks = facts(world).reshape(-1, 8, 2)
    assert (np.sort(blocks, axis=1) == np.arange(8)[None, :, None]).all()
    # a block is never divided by a split
    assert all(len(set(world.splits[i : i + 8])) == 1 for i in range(0, len(world.splits), 8))


def test_the_held_out_shares_are_as_asked(world):
    kinds, held_out = cell_kinds(world), world.held_out
    n_facts = len(world.facts) * 2
    assert len(held_out.formats) == len(held_out.languages) == round(0.15 * n_facts)
    assert not {fact[:2] for fact in held_out.formats} & set(held_out.languages)
    assert {form for _, _, form in held_out.formats} == {0, 1, 2}
    shares = {name: float((kinds == i).mean()) for i, name in enumerate(KINDS)}
    assert shares["format"] == pytest.approx(0.15 / 3)
    assert shares["language"] == pytest.approx(0.15 / 2)
    # 15 % of all cells were drawn; of those some are counted under a stronger reason
    assert shares["cell"] == pytest.approx(0.15 * (1 - 0.05 - 0.075), abs=0.005)


def test_no_entity_lacks_the_second_language_for_all_that_is_true_of_it(world):
    entities = [entity for entity, _ in world.held_out.languages]
    assert len(entities) == len(set(entities))


def test_enough_entities_are_for_calibration_to_certify_a_threshold_at_one_percent(world):
    assert world.splits.count("calibration") >= 299


def test_a_world_follows_from_its_seed(world):
    assert make_world(0) == world
    other = make_world(1)
    assert other.facts != world.facts
    assert other.languages[0].entities != world.languages[0].entities
    assert other.held_out != world.held_out


def test_the_code_of_a_word_is_its_place_in_the_vocabulary(world):
    words, codes = vocabulary(world), code(world)
    assert words[codes.entities[1, 5]] == world.languages[1].entities[5]
    assert words[codes.objects[0, 1, 3]] == world.languages[0].objects[1][3]
    assert words[codes.verbs[1, 2, 1]] == world.languages[1].formats[2].negated
    assert [words[i] for i in codes.truth] == ["<false>", "<true>"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": (240, 320, 100)}, r"sizes is \(240, 320, 100\); give positive multiples of n_objects, which is 8"),
        ({"sizes": (0, 8, 8)}, "give positive multiples"),
        ({"n_objects": 2}, r"which is 2 \(at least 3\)"),
        ({"held_out": 0.5}, "held_out is 0.5; give a share from 0 to 0.25"),
    ],
)
def test_a_world_that_cannot_be_is_refused(options, message):
    with pytest.raises(SpecError, match=message):
        make_world(0, **options)
