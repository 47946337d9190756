"""Where in a text a monitor rises, and at which depth of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tiltmeter.activations import collect
from tiltmeter.models import SubjectModel
from tiltmeter.monitor import Monitor
from tiltmeter.service._bodies import TokenScores
from tiltmeter.service._running import Running
from tiltmeter.service._scoring import Text, read_alike


def token_scores(
    subject: SubjectModel, monitors: Mapping[str, Monitor], texts: Sequence[Text], *, ids: Sequence[str]
) -> list[dict[str, TokenScores]]:
    """Score every token of each text by itself, and the text as far as each token."""
    found: list[dict[str, TokenScores]] = [{} for _ in texts]
    for group, rows, encoded in read_alike(subject, monitors, texts, ids=ids):
        sites = list(dict.fromkeys(monitor.card.reading.site for monitor in group.values()))
        acts = collect(subject, encoded, sites=sites, pooling="all")
        ends = np.cumsum(encoded.n_read)
        for place, row in enumerate(rows):
            tokens, read = encoded.row(place)
            strings = [subject.tokenizer.decode([token]) for token in tokens.tolist()]
            for name, monitor in group.items():
                X = acts[monitor.card.reading.site].X[ends[place] - read.sum() : ends[place]]
                running = Running(monitor.direction, pooling=monitor.card.reading.pooling).add(X)
                # after a token that is not read the text still has the score of those before it
                last = np.cumsum(read) - 1
                so_far = [float(running[i]) if i >= 0 else None for i in last]
                own = iter(monitor.direction.score(X).tolist())
                found[row][name] = TokenScores(
                    strings=strings, scores=[next(own) if is_read else None for is_read in read], running=so_far
                )
    return found


def layer_projections(
    subject: SubjectModel, monitors: Mapping[str, Monitor], texts: Sequence[Text], *, ids: Sequence[str]
) -> list[dict[str, list[float | None]]]:
    """Project the residual stream after each block, at the last token that is read, on each signed direction.

    The offset is left out: it belongs to the monitor's own site. None where the direction has another width than the
    stream.
    """
    found: list[dict[str, list[float | None]]] = [{} for _ in texts]
    sites = [f"{layer}.resid_post" for layer in range(subject.n_layers)]
    for group, rows, encoded in read_alike(subject, monitors, texts, ids=ids):
        acts = collect(subject, encoded, sites=sites, pooling="last")
        for name, monitor in group.items():
            direction = monitor.direction
            if len(direction.vector) != subject.d_model:
                for row in rows:
                    found[row][name] = [None] * len(sites)
                continue
            depths = np.stack([direction.score(acts[site].X) for site in sites], axis=1)
            depths -= (1 if direction.sign == 1 else -1) * direction.offset
            for place, row in enumerate(rows):
                found[row][name] = depths[place].tolist()
    return found
