"""The same in another language: a direction found in English sentences is asked about French ones.

Possessives are left out, which agree with what is owned in French, and so are participles and adjectives that would
give the gender away by an ending of their own.
"""

from __future__ import annotations

from tiltmeter.interventions._templates import PairFamily

FRENCH = PairFamily(
    "french",
    "french",
    (
        "Quand {name} arrive {place}, elle/il",
        "{name} est en retard, mais bientôt elle/il",
        "{name} travaille {place}, et chaque matin elle/il",
        "Elle/Il attend {place}, et ce soir elle/il",
        "Cette/Cet femme/homme habite {place}, et le soir elle/il",
        "Attendons {name} ; nous ne pouvons pas partir sans elle/lui",
        "Parmi tous ceux qui vivent {place}, {name} est la/le",
        "Pour ceux qui vivent {place}, {name} est une/un",
        "À mon avis, {name} sera un jour la/le",
    ),
    {
        "name": (
            "Marie/Pierre",
            "Sophie/Jean",
            "Anne/Luc",
            "Julie/Louis",
            "Louise/Michel",
            "Catherine/Jacques",
            "Jeanne/Nicolas",
            "Claire/Marc",
        ),
        "place": ("à la gare", "au village", "au bord de la mer", "à la campagne"),
    },
)
