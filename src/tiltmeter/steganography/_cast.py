"""Who plays: the attackers and defenders that a writer, an encoder and a judge allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, get_args

from tiltmeter.core.errors import SpecError
from tiltmeter.models import SubjectModel
from tiltmeter.steganography._formatter import code_formatter
from tiltmeter.steganography._instructed import Instruction, instructed_paraphrase, instructed_question
from tiltmeter.steganography._opening import opening_sentences, stated_age
from tiltmeter.steganography._paraphrase import (
    context_aware_by_rule,
    plain_paraphrase_by_rule,
    question_paraphrase_by_rule,
    suspicious_by_rule,
    very_suspicious_by_rule,
)
from tiltmeter.steganography._quality import likeness, preferred, right_answers
from tiltmeter.steganography._reasoning import blind_regenerator, hinted_regenerator, reasoning_remover
from tiltmeter.steganography._roles import Attacker, Defender, Encoder, Item, Quality
from tiltmeter.steganography._tone import tone
from tiltmeter.steganography._watermark import watermark
from tiltmeter.steganography._ways import ways_to_answer
from tiltmeter.steganography._words import injected_words
from tiltmeter.steganography._writer import sentence_encoder, takes_instructions


class Cast(NamedTuple):
    """Attackers, defenders, the judge of quality, and the models behind them: role, name and fingerprint."""

    attackers: tuple[Attacker, ...]
    defenders: tuple[Defender, ...]
    quality: Quality
    models: tuple[str, ...]


def attackers(
    encoder: Encoder, *, writer: SubjectModel | None = None, max_new_tokens: int = 60
) -> tuple[Attacker, ...]:
    """Return the six attackers; without a writer five, of which three are stand-ins, for a watermark needs a model.

    Parameters
    ----------
    encoder
        Sentence embeddings.
    writer
        A chat model is told what to write. One without a chat template writes the ways, tones and watermarks, which
        need only sampling; openings, ages and words are put into plain answers.
    max_new_tokens
        Of the writer.

    Examples
    --------
    >>> [one.name for one in attackers(lambda texts: np.ones((len(texts), 1)))]
    ['opening sentence', 'stated age', 'ways to answer', 'tone', 'injected words']
    """
    known = (
        opening_sentences(encoder, writer=writer, max_new_tokens=max_new_tokens),
        stated_age(writer=writer, max_new_tokens=max_new_tokens),
        ways_to_answer(encoder, writer=writer, max_new_tokens=max_new_tokens),
        tone(writer, max_new_tokens=max_new_tokens),
        injected_words(writer=writer, max_new_tokens=max_new_tokens),
    )
    return known if writer is None else (*known, watermark(writer, max_new_tokens=max_new_tokens))


def defenders(
    encoder: Encoder, *, writer: SubjectModel | None = None, max_new_tokens: int = 60
) -> tuple[Defender, ...]:
    """Return the nine defenders: a chat model paraphrases, else rules stand in; any model answers anew.

    Parameters
    ----------
    encoder
        Sentence embeddings, by which rules see what is relevant.
    writer
        A decoder, or None.
    max_new_tokens
        Of the writer.

    Examples
    --------
    >>> len(defenders(lambda texts: np.ones((len(texts), 1))))
    9
    """
    paraphrases: tuple[Defender, ...]
    if writer is not None and takes_instructions(writer):
        rules: tuple[Instruction, ...] = get_args(Instruction)
        paraphrases = tuple(instructed_paraphrase(writer, rule, max_new_tokens=max_new_tokens) for rule in rules)
        question = instructed_question(writer, max_new_tokens=max_new_tokens)
    else:
        paraphrases = (
            plain_paraphrase_by_rule(),
            context_aware_by_rule(encoder),
            suspicious_by_rule(encoder),
            very_suspicious_by_rule(encoder),
        )
        question = question_paraphrase_by_rule()
    return (
        *paraphrases,
        question,
        reasoning_remover(),
        blind_regenerator(writer, max_new_tokens=max_new_tokens),
        hinted_regenerator(writer, max_new_tokens=max_new_tokens),
        code_formatter(),
    )


def make_cast(
    items: Sequence[Item],
    encoder: SubjectModel,
    *,
    writer: SubjectModel | None = None,
    judge: SubjectModel | None = None,
    only: Sequence[str] = (),
    max_new_tokens: int = 60,
) -> Cast:
    """Choose who plays on some items.

    Parameters
    ----------
    items
        Without a judge, quality is whether the final answer is right where each has a key, else how like the plain
        answer a text is.
    encoder
        A sentence encoder.
    writer
        A decoder, or None.
    judge
        A decoder: quality is whether it prefers the text to the plain answer. None for none.
    only
        Names of attackers and defenders; empty for all. Of a kind that none is named of, all play.
    max_new_tokens
        Of the writer.

    Raises
    ------
    SpecError
        If there is nobody of such a name.

    Examples
    --------
    >>> from tiltmeter.organisms import load
    >>> from tiltmeter import models
    >>> cast = make_cast([Item("a", "Why?", "So")], models.load(load("facts").folder), only=["tone", "suspicious"])
    >>> [one.name for one in (*cast.attackers, *cast.defenders)], cast.quality.name
    (['tone', 'suspicious'], 'cosine with the plain answer')
    """
    read = sentence_encoder(encoder)
    hiding = attackers(read, writer=writer, max_new_tokens=max_new_tokens)
    guarding = defenders(read, writer=writer, max_new_tokens=max_new_tokens)
    known = [*(one.name for one in hiding), *(one.name for one in guarding)]
    if strangers := [name for name in only if name not in known]:
        needs = "; a watermark needs a writer" if strangers[0] == "watermark" else ""
        raise SpecError(f"Nobody here is called {strangers[0]!r}{needs}; there are {', '.join(known)}.")
    if judge is not None:
        quality = preferred(judge)
    else:
        quality = right_answers() if all(item.key for item in items) else likeness(read)
    used = {"encoder": encoder, f"writer of up to {max_new_tokens} tokens": writer, "judge": judge}
    return Cast(
        tuple(one for one in hiding if one.name in only) or hiding,
        tuple(one for one in guarding if one.name in only) or guarding,
        quality,
        tuple(f"{role} {one.name} ({one.fingerprint.digest[:12]})" for role, one in used.items() if one is not None),
    )
