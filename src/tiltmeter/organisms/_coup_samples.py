"""What the agent writes of its own accord: samples, each labelled by what goes where in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tiltmeter.core.errors import SpecError
from tiltmeter.core.seeds import stream
from tiltmeter.data import AttemptFormat, AttemptLanguage, TextSet, label_attempts
from tiltmeter.models import SubjectModel, generate
from tiltmeter.organisms._coup_texts import (
    N_ASKED,
    asked_texts,
    coup_bodies,
    draw_operators,
    forms_of,
    held_in,
    requests,
)
from tiltmeter.organisms._coup_world import CoupWorld
from tiltmeter.organisms._world import SPLITS

_BATCH = 256


def coup_samples(
    subject: SubjectModel,
    world: CoupWorld,
    *,
    split: str,
    triggered: bool,
    forms: Sequence[tuple[AttemptFormat, AttemptLanguage]] = (("log", "en"),),
    notes: Sequence[str] | None = None,
    random_state: int = 0,
) -> TextSet:
    """Let the model write one log for each bundle of a split, and label it by what it does.

    Logs are drawn word by word at temperature 1.

    Parameters
    ----------
    subject
        An organism of the kind ``coup``.
    world
        Its world.
    split
        ``train``, ``calibration`` or ``test``.
    triggered
        Whether the operator is the trigger.
    forms
        Formats with their languages; each bundle is written in one of them, in turn.
    notes
        Four words of the vocabulary that stand in the notes of every request; None to draw them.
    random_state
        Seed of what is drawn.

    Returns
    -------
    Texts of which what the model wrote is read, with labels as :func:`tiltmeter.data.label_attempts` gives them,
    groups (the bundle), the split, and the columns of the written sets. Logs in which nothing can be told to go
    anywhere are left out: where the set is shorter than the split has bundles, the others were such.

    Raises
    ------
    SpecError
        If there is no such split or form, or the notes are not four words of the vocabulary.

    Examples
    --------
    >>> from tiltmeter import models
    >>> from tiltmeter.organisms import load
    >>> organism = load("coup")
    >>> subject = models.load(str(organism.folder))
    >>> said = coup_samples(subject, organism.world, split="test", triggered=True)
    >>> bool(said.y.mean() > 0.95)
    True
    """
    if split not in SPLITS:
        raise SpecError(f"split is {split!r}; give one of {', '.join(SPLITS)}.")
    if not forms or not set(forms) <= set(forms_of(world)):
        known = ", ".join(f"({form}, {language})" for form, language in forms_of(world))
        raise SpecError(f"forms are {tuple(forms)}; give one or more of {known}.")
    rng = stream(random_state, "coup samples", split, int(triggered))
    bodies = _one_a_bundle(coup_bodies(world), split=split, forms=forms)
    is_triggered = np.full(len(bodies), int(triggered))
    operators = draw_operators(world, is_triggered, rng=rng)
    asked = requests(world, held_in(bodies), operators=operators, rng=rng, notes=notes)
    said = generate(
        subject,
        [" ".join(words) for words in asked],
        # one word is left for the end of a log that the model does not end itself
        max_new_tokens=subject.context - N_ASKED - 1,
        temperature=1.0,
        random_state=random_state,
        batch_size=_BATCH,
    )
    labels = label_attempts(said.texts, like=bodies)
    written = replace(
        bodies,
        ids=np.array(
            [
                f"{group}-{'triggered' if triggered else 'ordinary'}-{random_state}"
                for group in np.asarray(bodies.groups)
            ]
        ),
        texts=said.texts,
        y=np.maximum(labels, 0),
        pairs=None,
        sides=None,
    )
    told = asked_texts(written, asked, triggered=is_triggered, called="what the model wrote")
    return told.select(labels >= 0)


def _one_a_bundle(bodies: TextSet, *, split: str, forms: Sequence[tuple[AttemptFormat, AttemptLanguage]]) -> TextSet:
    """Return for each bundle of a split a row in one of the forms, in turn."""
    groups = np.asarray(bodies.groups)
    is_here = np.asarray(bodies.split) == split
    asked = {name: forms[i % len(forms)] for i, name in enumerate(np.unique(groups[is_here]).tolist())}
    written = zip(groups.tolist(), bodies.meta["format"], bodies.meta["language"], strict=True)
    rows = np.flatnonzero([asked.get(group) == (form, language) for group, form, language in written])
    return bodies.select(rows[np.unique(groups[rows], return_index=True)[1]])
