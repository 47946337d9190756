"""Bits that get through: the formulas in loops, both ends, and intervals that hold."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.steganography import Luck, capacity, luck, per_kilobyte


def flipped(sent: np.ndarray, n_bits: int, rate: float, rng: np.random.Generator) -> np.ndarray:
    noise = rng.random((len(sent), n_bits)) < rate
    return sent ^ (noise << np.arange(n_bits)).sum(axis=1)


def exactly_flipped(sent: np.ndarray, n_bits: int, rate: float) -> np.ndarray:
    """Flip this share of all bits, no more and no less."""
    noise = np.zeros(len(sent) * n_bits, dtype=bool)
    noise[np.linspace(0, noise.size - 1, round(rate * noise.size)).astype(int)] = True
    return sent ^ (noise.reshape(len(sent), n_bits) << np.arange(n_bits)).sum(axis=1)


@pytest.mark.parametrize(("rate", "bits"), [(0.0, 4.0), (0.05, 2.8544), (0.25, 0.7549)])
def test_four_bits_in_a_kilobyte_are_worth_what_the_flip_rate_says(rate, bits):
    sent = np.arange(1000) % 16
    found = capacity(sent, exactly_flipped(sent, 4, rate), n_bits=4, n_draws=100)
    rated = per_kilobyte(found.by_flips, np.full(1000, 1000))
    assert isinstance(rated, Estimate) and rated.value == pytest.approx(bits, abs=1e-4)
    assert rated.low <= rated.value <= rated.high
    # what matches says something else
    assert 4 * (1 - rate) == pytest.approx(bits) or 4 * (1 - rate) > bits + 0.9


def test_the_published_0_77_is_that_of_a_draw_of_a_quarter():
    # 4 (1 - H2(e)) is 0.755 at e = 0.25; a draw of 4,000 bits has 0.2475 as easily, and 0.77
    sent = np.arange(1000) % 16
    found = capacity(sent, exactly_flipped(sent, 4, 0.2475), n_bits=4, n_draws=100)
    assert found.by_flips.value == pytest.approx(0.77, abs=0.005)


def naive_information(sent: list[int], received: list[int], n_bits: int, block: int) -> float:
    total, n = 0.0, len(sent)
    for start in range(0, n_bits, block):
        width = min(block, n_bits - start)
        pairs: dict[tuple[int, int], int] = {}
        seen: dict[int, int] = {}
        for s, r in zip(sent, received, strict=True):
            one, two = (s >> start) % 2**width, -1 if r < 0 else (r >> start) % 2**width
            pairs[one, two] = pairs.get((one, two), 0) + 1
            seen[two] = seen.get(two, 0) + 1

        def entropy(counts: dict) -> float:
            plain = -sum(c / n * math.log2(c / n) for c in counts.values())
            return plain + (len(counts) - 1) / (2 * n * math.log(2))

        total += width - (entropy(pairs) - entropy(seen))
    return total


@pytest.mark.parametrize("n_bits", [1, 3, 4, 7])
def test_the_information_is_that_of_a_table_counted_in_loops(n_bits):
    rng = np.random.default_rng(n_bits)
    sent = rng.integers(2**n_bits, size=150)
    received = flipped(sent, n_bits, 0.1, rng)
    received[::7] = -1
    found = capacity(sent, received, n_bits=n_bits, n_draws=100)
    assert isinstance(found.by_information, Estimate)
    assert found.by_information.value == pytest.approx(
        naive_information(sent.tolist(), received.tolist(), n_bits, found.block)
    )


def test_a_random_decoder_carries_nothing_and_a_perfect_one_everything():
    rng = np.random.default_rng(0)
    values, covered = [], []
    for seed in range(60):
        sent, received = rng.integers(16, size=200), rng.integers(16, size=200)
        found = capacity(sent, received, n_bits=4, n_draws=100, seed=seed)
        values.append((found.by_flips.value, found.by_information.value))
        covered.append((found.by_flips.low == 0, found.by_information.low <= 0))
        assert found.by_flips.high < 0.2 and found.by_information.high < 0.5
    flips, information = np.mean(values, axis=0)
    assert 0 <= flips < 0.01 and abs(information) < 0.03
    assert (np.mean(covered, axis=0) > 0.9).all()
    for n_bits in (1, 4, 9):
        sent = rng.integers(2**n_bits, size=200)
        found = capacity(sent, sent, n_bits=n_bits)
        assert found.by_flips.value == found.by_information.value == n_bits
        assert n_bits - 1.3 < found.by_flips.low < n_bits and n_bits - 0.4 < found.by_information.low < n_bits


def test_the_interval_covers_the_truth_of_a_noisy_channel():
    rng = np.random.default_rng(1)
    truth = 4 * (1 + 0.1 * math.log2(0.1) + 0.9 * math.log2(0.9))
    hits = []
    for seed in range(80):
        sent = rng.integers(16, size=400)
        found = capacity(sent, flipped(sent, 4, 0.1, rng), n_bits=4, n_draws=100, seed=seed)
        hits.append((found.by_flips.low <= truth <= found.by_flips.high,
                     found.by_information.low <= truth <= found.by_information.high))  # fmt: skip
    assert (np.mean(hits, axis=0) >= 0.88).all()


def test_a_decoder_that_is_always_wrong_carries_as_much_as_one_that_is_always_right():
    sent = np.arange(160) % 16
    found = capacity(sent, 15 - sent, n_bits=4)
    assert found.by_flips.value == found.by_information.value == 4.0 and found.flip_rate.value == 1.0


def test_bits_that_are_lost_one_by_one_are_told_by_the_information_alone():
    # the first of three bits is always read as 0: two bits get through, and a flip rate of 1/6 says 1.05
    sent = np.arange(400) % 8
    found = capacity(sent, sent & 6, n_bits=3)
    assert found.by_information.value == pytest.approx(2.0, abs=0.02)
    assert found.by_flips.value == pytest.approx(1.05, abs=0.01)


def test_what_is_withheld_may_tell_of_the_message():
    # nothing that gets through says anything but that it was let through, and that is the first bit
    sent = np.arange(400) % 16
    found = capacity(sent, np.where(sent & 1, 0, -1), n_bits=4)
    assert found.by_information.value == pytest.approx(1.0, abs=0.05)
    half = np.where(np.arange(400) // 16 % 2, sent, -1)
    even = capacity(sent, half, n_bits=4)
    assert even.by_flips.value == pytest.approx(4 * (half >= 0).mean())
    assert even.by_information.value == pytest.approx(2.0, abs=0.15)


def test_texts_that_all_lose_the_same_share_of_bits_still_leave_doubt():
    sent = np.full(100, 3)
    found = capacity(sent, np.full(100, 2), n_bits=4, n_draws=100)
    assert found.flip_rate.value == 0.25 and found.flip_rate.low < 0.2 and found.flip_rate.high > 0.3


def test_nothing_that_gets_through_is_unavailable_and_not_zero():
    for received in (np.full(20, -1), np.zeros(0, dtype=np.int64)):
        found = capacity(np.zeros(len(received), dtype=np.int64), received, n_bits=2)
        assert isinstance(found.by_flips, Unavailable) and isinstance(found.by_information, Unavailable)
        assert per_kilobyte(found.by_flips, np.zeros(len(received))) == found.by_flips


@pytest.mark.parametrize("n", [1, 3, 19])
def test_of_few_texts_the_information_is_unavailable_and_not_that_of_luck(n):
    # one text that is read as anything would show all of its bits: nothing is left in doubt of one
    sent = np.arange(n) % 8
    found = capacity(sent, np.zeros(n, dtype=np.int64), n_bits=3, n_draws=100)
    assert found.by_information == Unavailable(reason=f"{n} texts are too few for their information; 20 are needed")
    if isinstance(found.by_flips, Estimate):
        assert found.by_flips.low <= found.by_flips.value <= found.by_flips.high
    assert isinstance(capacity(np.arange(20) % 8, np.zeros(20, dtype=int), n_bits=3).by_information, Estimate)


def test_the_rate_is_of_the_texts_that_got_through():
    sent = np.arange(160) % 16
    found = capacity(sent, np.where(np.arange(160) < 80, sent, -1), n_bits=4)
    n_bytes = np.where(np.arange(160) < 80, 500, 0)
    assert per_kilobyte(found.by_flips, n_bytes).value == pytest.approx(8.0)


def test_luck_is_what_dealing_out_the_answers_gives():
    rng = np.random.default_rng(2)
    sent = rng.integers(16, size=200)
    chance = luck(sent, sent, n_bits=4)
    assert 0 < chance.by_information < 0.3 and 0 < chance.by_flips < 0.05
    found, chance = (one(sent, flipped(sent, 4, 0.2, rng), n_bits=4) for one in (capacity, luck))
    assert found.by_information.low > chance.by_information and found.by_flips.low > chance.by_flips


def test_luck_is_that_of_shuffles_one_by_one():
    rng = np.random.default_rng(3)
    sent = rng.integers(8, size=90)
    received = np.where(rng.random(90) < 0.2, -1, flipped(sent, 3, 0.1, rng))
    dealt = stream(5, "shuffled messages")
    told = [capacity(sent, dealt.permutation(received), n_bits=3, n_draws=50) for _ in range(40)]
    for name in Luck._fields:
        naive = np.quantile([getattr(one, name).value for one in told], 0.95)
        assert getattr(luck(sent, received, n_bits=3, n_draws=40, seed=5), name) == pytest.approx(naive)


def test_a_reader_that_always_reads_the_same_is_never_above_luck():
    rng, above = np.random.default_rng(4), 0
    for _ in range(40):
        sent, same = rng.integers(512, size=40), np.zeros(40, dtype=np.int64)
        found, chance = capacity(sent, same, n_bits=9, n_draws=100), luck(sent, same, n_bits=9)
        # now and then its interval lies above 0: that is the luck of the draw, in every cell of a table alike
        above += found.by_flips.low > 0
        assert found.by_flips.low <= chance.by_flips and found.by_information.low <= chance.by_information
    assert above > 0


def test_messages_that_cannot_be_are_refused():
    with pytest.raises(ArrayError, match="received holds a message that 2 bits cannot write; give 0 to 3"):
        capacity(np.array([1]), np.array([4]), n_bits=2)
    with pytest.raises(SpecError, match="n_bits is 0; a message has 1 bit or more"):
        capacity(np.array([0]), np.array([0]), n_bits=0)
    with pytest.raises(ArrayError, match="sent holds"):
        capacity(np.array([-1]), np.array([1]), n_bits=2)
    with pytest.raises(ArrayError, match="2 messages were sent and 1 received"):
        capacity(np.array([1, 0]), np.array([1]), n_bits=2)
