"""Gender in the language of simple children's stories, for small models that know no other.

Names stand beside names that such tokenizers cut into as many pieces. The object form is left out: ``him`` is two
tokens of a small vocabulary where ``her`` is one.
"""

from __future__ import annotations

from tiltmeter.interventions._templates import PairFamily, across

STORIES_TRAIN = PairFamily(
    "stories-train",
    "easy",
    (
        "Once upon a time there was a little girl/boy named {name}. One day, she/he",
        "{name} was very happy. She/He",
        "One day, {name} went to the {place} with a big ball. {name} wanted to play with her/his",
        "One day, {name} saw a little bird in the {place}. Then she/he",
        "She/He liked to play in the {place}. One day, she/he",
        "There was a little girl/boy. Her/His name was {name}",
    ),
    {
        "name": (
            *across(("Lily",), ("Tim", "Timmy")),
            *across(("Lucy", "Molly", "Ella", "Sarah"), ("Jack", "Joe", "Billy", "Jimmy")),
        ),
        "place": ("park", "garden", "house", "forest"),
    },
)

STORIES_EASY = PairFamily(
    "stories-easy",
    "easy",
    (
        "{name} wanted to eat the {food}. She/He",
        "Once there was a {mood} girl/boy who loved to sing. Her/His name was {name}. Every day, she/he",
        "{name} found a {food} on the road and showed it to her/his",
        "The {mood} girl/boy could not find the {food}, so she/he",
        "{name} went to the shop to buy some {food}. Then she/he",
        "My sister/brother likes to cook {food}, and today she/he",
    ),
    {
        "name": across(("Mia", "Sue", "Amy", "Sara", "Lila"), ("Max", "Bob", "Leo", "Mark", "Tommy")),
        "food": ("apple", "cake", "soup", "cookie"),
        "mood": ("happy", "sad", "kind", "brave"),
    },
)
