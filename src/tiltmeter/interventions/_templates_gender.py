"""Pairs that differ in gender: female on the positive side.

Training and test share neither names nor sentences. The easy test stays within words of gender (name, pronoun,
possessive, relation); the hard one goes from such a word to one that tradition puts beside it, or back.

Each name stands in one pair, so that names can be kept on one side of a split; beside it stands one of the same length
in small vocabularies.
"""

from __future__ import annotations

from tiltmeter.interventions._templates import PairFamily

GENDER_TRAIN = PairFamily(
    "gender-train",
    "easy",
    (
        "After a long day at {place}, {name} was tired, so she/he",
        "I met {name} near {place} and gave the {thing} back to her/him",
        "Since {name} paid for it at {place}, the {thing} is hers/his",
        "Nobody helped {name}, who repaired the {thing} all by herself/himself",
        "She/He left the {thing} at {place}, and then she/he",
        "We saw her/him at {place}, holding the {thing} with both of her/his",
        "Her/His {thing} was stolen at {place}, which made her/him",
        "The woman/man behind the counter at {place} told us that her/his name was {name}",
        "{name} waited at {place} with one hand on her/his",
    ),
    {
        "name": (
            "Mary/Mark",
            "Helen/Simon",
            "Sarah/James",
            "Emily/Peter",
            "Susan/Henry",
            "Linda/Martin",
            "Anna/John",
            "Emma/David",
            "Laura/Thomas",
            "Alice/Frank",
            "Julia/Robert",
            "Rachel/George",
        ),
        "place": (
            "the market",
            "the station",
            "the library",
            "the harbour",
            "the hospital",
            "the theatre",
            "the airport",
            "the school",
        ),
        "thing": ("umbrella", "radio", "bicycle", "guitar", "ladder", "suitcase", "lamp", "blanket"),
    },
)

GENDER_EASY = PairFamily(
    "gender-easy",
    "easy",
    (
        "When the phone rang in the {room}, {name} said that she/he",
        "This {item} belongs to {name}, so please return it to her/him",
        "Everyone in the {room} looked at {name} because of her/his",
        "That {item} is not mine; ask {name}, because I think it is hers/his",
        "{name} smiled at the mirror in the {room} and talked to herself/himself",
        "Yesterday she/he forgot the {item} in the {room}, and today she/he",
        "Her/His friends in the {room} call her/him {name}",
        "My {relation} keeps an old {item} in the {room}, where she/he",
    ),
    {
        "name": (
            "Lisa/Luke",
            "Sally/Brian",
            "Jane/Eric",
            "Lucy/Jack",
            "Kate/Adam",
            "Ruth/Scott",
            "Nancy/Paul",
            "Grace/Kevin",
            "Karen/Andrew",
            "Martha/Patrick",
            "Nicole/Daniel",
            "Amanda/Philip",
        ),
        "relation": ("aunt/uncle", "sister/brother", "mother/father", "daughter/son", "wife/husband"),
        "room": ("kitchen", "garden", "office", "museum", "workshop"),
        "item": ("camera", "ticket", "violin", "sandwich", "map"),
    },
)

GENDER_HARD = PairFamily(
    "gender-hard",
    "hard",
    (
        "{name} painted the whole bedroom, walls and ceiling, in {colour}",
        "As a birthday present {name} would like a {toy}",
        "Every weekend she/he goes to the club for {hobby}",
        "For the last ten years {name} has earned a living as a {job}",
        "The child in the {colour} coat dropped a glove, so I ran after her/him",
        "The {job} finished the night shift and went home, where she/he",
        "The winner of the {hobby} prize went up to the stage to receive her/his",
        "A {toy} was what the child had wished for, and we wrapped it for her/him",
    ),
    {
        "name": (
            "Tina/Tony",
            "Sara/Max",
            "Ellen/Steve",
            "Maria/Carl",
            "Nina/Oscar",
            "Joan/Hugo",
            "Diana/Roger",
            "Claire/Walter",
            "Olivia/Victor",
            "Margaret/Edward",
        ),
        "colour": ("pink/blue", "purple/grey"),
        "toy": ("doll/truck", "necklace/sword", "skirt/tie"),
        "hobby": ("ballet/football", "knitting/fishing", "yoga/boxing", "sewing/rugby"),
        "job": ("nurse/soldier", "secretary/mechanic", "maid/butcher", "dancer/miner"),
    },
)
