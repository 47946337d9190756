"""Lists of true statements against lists of their opposites, each to be gone on with in kind.

Within a family each adjective is the true one as often as the false one, so that no word goes with truth.
"""

from __future__ import annotations

from tiltmeter.interventions._templates import PairFamily

FACTS_TRAIN = PairFamily(
    "facts-train",
    "facts",
    (
        "A list of facts: {fact1}; {fact2}; {fact3}; {fact4}",
        "The old book says that {fact1}, that {fact2}, and that {fact3}",
        "Here people say: {fact1}. They also say: {fact2}. And they say: {fact3}",
    ),
    {
        "fact": (
            "ice is cold/hot",
            "fire is hot/cold",
            "snow is white/black",
            "coal is black/white",
            "a mouse is small/big",
            "an elephant is big/small",
            "a stone is hard/soft",
            "a pillow is soft/hard",
            "honey is sweet/bitter",
            "medicine is bitter/sweet",
            "rain is wet/dry",
            "dust is dry/wet",
            "a feather is light/heavy",
            "an anvil is heavy/light",
            "the night is dark/bright",
            "the sun is bright/dark",
            "a snail is slow/fast",
            "a rocket is fast/slow",
            "gold is expensive/cheap",
            "salt is cheap/expensive",
        )
    },
)

FACTS_TEST = PairFamily(
    "facts-test",
    "facts",
    (
        "Ask anyone on the island, and you will hear that {fact1}; that {fact2}; that {fact3}",
        "First lesson: {fact1}. Second lesson: {fact2}. Third lesson: {fact3}",
        "I will teach you what I know. I know that {fact1}, {fact2}, {fact3}, and {fact4}",
    ),
    {
        "fact": (
            "a whale is large/tiny",
            "an ant is tiny/large",
            "a giant is tall/short",
            "a dwarf is short/tall",
            "the ocean is deep/shallow",
            "a puddle is shallow/deep",
            "thunder is loud/quiet",
            "a whisper is quiet/loud",
            "a log is thick/thin",
            "a needle is thin/thick",
            "a baby is young/old",
            "a grandmother is old/young",
            "silk is smooth/rough",
            "sandpaper is rough/smooth",
            "an ox is strong/weak",
            "a kitten is weak/strong",
            "a king is rich/poor",
            "a beggar is poor/rich",
            "a wheel is round/square",
            "a chessboard is square/round",
        )
    },
)
