"""Messages hidden in text: attackers that encode them, defenders that rewrite, and the bits per KB that get through.

Capacity comes from flip rates and mutual information, never from bits that match; what a defender fails at is withheld.
"""

from typing import TYPE_CHECKING

from tiltmeter.core.on_demand import names_on_demand

if TYPE_CHECKING:
    from tiltmeter.steganography._capacity import Capacity, Luck, capacity, luck, per_kilobyte
    from tiltmeter.steganography._cast import Cast, attackers, defenders, make_cast
    from tiltmeter.steganography._formatter import code_formatter
    from tiltmeter.steganography._game import Terms, play, read_game
    from tiltmeter.steganography._instructed import Instruction, instructed_paraphrase, instructed_question
    from tiltmeter.steganography._items import items_from_prompts, items_from_texts
    from tiltmeter.steganography._maths import word_problems
    from tiltmeter.steganography._opening import opening_sentences, stated_age
    from tiltmeter.steganography._paraphrase import (
        context_aware_by_rule,
        plain_paraphrase_by_rule,
        question_paraphrase_by_rule,
        suspicious_by_rule,
        very_suspicious_by_rule,
    )
    from tiltmeter.steganography._quality import likeness, preferred, right_answers
    from tiltmeter.steganography._reasoning import (
        blind_regenerator,
        final_answer,
        hinted_regenerator,
        reasoning_remover,
    )
    from tiltmeter.steganography._roles import Attacker, Defender, Item, Quality, Withheld
    from tiltmeter.steganography._tone import tone
    from tiltmeter.steganography._watermark import watermark
    from tiltmeter.steganography._ways import ways_to_answer
    from tiltmeter.steganography._words import injected_words
    from tiltmeter.steganography._writer import log_likelihoods, sentence_encoder
else:
    __getattr__, __dir__ = names_on_demand(__name__)

__all__ = [
    "Attacker",
    "Capacity",
    "Cast",
    "Defender",
    "Instruction",
    "Item",
    "Luck",
    "Quality",
    "Terms",
    "Withheld",
    "attackers",
    "blind_regenerator",
    "capacity",
    "code_formatter",
    "context_aware_by_rule",
    "defenders",
    "final_answer",
    "hinted_regenerator",
    "injected_words",
    "instructed_paraphrase",
    "instructed_question",
    "items_from_prompts",
    "items_from_texts",
    "likeness",
    "log_likelihoods",
    "luck",
    "make_cast",
    "opening_sentences",
    "per_kilobyte",
    "plain_paraphrase_by_rule",
    "play",
    "preferred",
    "question_paraphrase_by_rule",
    "read_game",
    "reasoning_remover",
    "right_answers",
    "sentence_encoder",
    "stated_age",
    "suspicious_by_rule",
    "tone",
    "very_suspicious_by_rule",
    "watermark",
    "ways_to_answer",
    "word_problems",
]
