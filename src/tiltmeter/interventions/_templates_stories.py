"""Gender in the language of simple children's stories, for small models that know no other.

Names stand beside names that such tokenizers cut into as many pieces. The object form is left out: ``him`` is two
tokens of a small vocabulary where ``her`` is one.
"""

from __future__ import annotations

from tiltmeter.interventions._templates import PairFamily

STORIES_TRAIN = PairFamily(
    "stories-train",
    "easy",
    (
        "Once upon a time there was a little girl/boy named {name}. One day, she/he",
        "{name} was very happy. She/He",
        "One day, {name} went to the {place} with a big ball. {name} wanted to play with her/his",
        "One day, {name} saw a little bird in the {place}. Then she/he",
        "She/He liked to play in the {place}. One day, she/he",
        "{name} had a new {toy} and liked it very much. One day, she/he",
        "There was a little girl/boy. Her/His name was {name}",
    ),
    {
        "name": (
            "Lily/Tim",
            "Lily/Timmy",
            "Lucy/Jack",
            "Molly/Joe",
            "Ella/Billy",
            "Sarah/Jimmy",
            "Rose/Peter",
            "Kate/Fred",
            "Jane/Adam",
            "Anna/John",
            "Daisy/Bobby",
            "Penny/Paul",
            "Emma/Danny",
        ),
        "place": ("park", "garden", "house", "forest", "room", "field", "school", "yard"),
        "toy": ("ball", "book", "hat", "kite", "drum"),
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
        "{name} went to the shop to buy a {food}. Then she/he",
        "My sister/brother likes to eat. If there is a {food}, she/he",
    ),
    {
        "name": (
            "Mia/Max",
            "Sue/Bob",
            "Amy/Leo",
            "Sara/Mark",
            "Lila/Tommy",
            "Mary/Luke",
            "Sally/Dan",
            "Tina/Bill",
            "Lisa/Jim",
        ),
        "food": ("cake", "pie", "cookie", "banana", "carrot", "sandwich"),
        "mood": ("happy", "sad", "kind", "brave"),
    },
)
