"""What the weights of real small models show: a language model of stories, and organisms whose words have kinds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tiltmeter.anatomy import CoherenceSettings, token_lens, usual_judges, weight_anatomy, weight_svds
from tiltmeter.models import load

STORIES = Path(__file__).parents[3] / "shared" / "models" / "stories260K"
SETTINGS = CoherenceSettings(n_rotations=50, n_random=1000, n_draws=2000)
needs_stories = pytest.mark.skipif(
    not STORIES.is_dir(), reason="needs the folder shared/models/stories260K beside the repository"
)


@pytest.mark.long
@needs_stories
def test_singular_directions_of_a_model_of_stories_are_above_no_rotation_of_their_basis():
    subject = load(STORIES)
    lens = token_lens(subject)
    found = weight_anatomy(subject, lens, judges=usual_judges(subject, lens), matrices=["ov"], settings=SETTINGS)
    by_null = {(one.side, one.judge, one.null): one for one in found.comparisons}
    for side in ("reads", "writes"):
        for judge in ("own rows (not independent)", "spelling"):
            assert by_null[side, judge, "rotated basis"].p_holm > 0.05
            assert by_null[side, judge, "raw rows"].p_holm > 0.05
            # and that is no want of draws: it would have seen a difference of 0.01
            assert by_null[side, judge, "rotated basis"].difference.high < 0.01


@needs_stories
def test_heads_that_share_values_share_what_they_read_and_not_what_they_write():
    """Eight heads of queries on four of keys and values: neighbours read through one value matrix."""
    found = list(weight_svds(load(STORIES), "ov", layers=[0]))
    for one, two in zip(found[::2], found[1::2], strict=True):
        for side, least, most in (("reads", 1 - 1e-5, 2.0), ("writes", 0.0, 0.99)):
            common = np.linalg.svd(one.sides[side].vectors @ two.sides[side].vectors.T, compute_uv=False)
            assert least <= common.min() <= most
