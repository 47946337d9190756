"""Where in a text a monitor rises, and at which depth of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tiltmeter.activations import collect
from tiltmeter.models import SubjectModel
from tiltmeter.monitor import Monitor, running_scores
from tiltmeter.service._bodies import TokenScores
from tiltmeter.service._scoring import Text, read_alike, strings_of


def token_scores(
    subject: SubjectModel, monitors: Mapping[str, Monitor], texts: Sequence[Text], *, ids: Sequence[str]
) -> list[dict[str, TokenScores]]:
    """Score every token of each text by itself, and the text as far as each token."""
    found: list[dict[str, TokenScores]] = [{} for _ in texts]
    for group, rows, encoded in read_alike(subject, monitors, texts, ids=ids):
        sites = list(dict.fromkeys(monitor.card.reading.site for monitor in group.values()))
        acts = collect(subject, encoded, sites=sites, pooling="all")
        strings = [strings_of(subject, encoded.row(place)[0]) for place in range(len(rows))]
        for name, monitor in group.items():
            reading = monitor.card.reading
            scored = running_scores(monitor.direction, acts[reading.site], pooling=reading.pooling)
            for place, row in enumerate(rows):
                read = encoded.row(place)[1]
                found[row][name] = TokenScores(
                    strings=strings[place],
                    scores=_where_read(scored[place].tokens, read),
                    running=_where_read(scored[place].running, read),
                )
    return found


def _where_read(scores: NDArray[np.float64], read: NDArray[np.bool_]) -> list[float | None]:
    own = iter(scores.tolist())
    return [next(own) if is_read else None for is_read in read]


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
