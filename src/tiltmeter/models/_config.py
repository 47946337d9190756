"""What a Hugging Face configuration says about which tokens see each other, and how many there may be."""

from __future__ import annotations

from typing import Any

from tiltmeter.models._family import Family


def is_causal(family: Family, config: Any) -> bool:  # noqa: ANN401
    """Whether no token sees a later one; ``config`` is that of the text model."""
    if family.kind == "encoder" or getattr(config, "use_bidirectional_attention", False):
        return False
    return bool(getattr(config, "is_causal", True))


def first_position(family: Family, config: Any) -> int:  # noqa: ANN401
    """Return the number of a text's first position."""
    return int(config.pad_token_id) + 1 if family.positions == "after_padding" else 0


def most_tokens(family: Family, config: Any) -> int | None:  # noqa: ANN401
    """Return how many tokens a text may have for its values to depend on it alone; None if there is no limit.

    A model with longrope (Phi-3) is limited to the length that it was first trained on, for its rotary factors are
    chosen by the longest text of a batch: above that length, a text would change those that share its batch.
    """
    if family.positions == "relative":
        return None
    own = int(config.max_position_embeddings) - first_position(family, config)
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type") == "longrope":
        return min(own, int(rope["original_max_position_embeddings"]))
    return own
