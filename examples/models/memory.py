"""What popular models need: ``python examples/models/memory.py`` prints the table of docs/how-to/real-models.md.

The sizes come from the published configurations (published.json; the page says what they were compared with); the
parameters are counted on a model that is never allocated. Weights take parameters × bytes: 4 in float32, 2 in bfloat16.
A study keeps one row a text for every block and for what enters the first one, in float32: texts × (blocks + 1) × d × 4
bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import AutoConfig, PreTrainedConfig

from tiltmeter.models import model_size

HERE = Path(__file__).parent
TEXTS = 10_000
PUBLISHED: dict[str, dict[str, Any]] = json.loads((HERE / "published.json").read_text(encoding="utf-8"))


def published(name: str) -> PreTrainedConfig:
    """Return the configuration of a model, as far as it decides the sizes."""
    return AutoConfig.for_model(PUBLISHED[name]["model_type"], **PUBLISHED[name]["config"])


def table() -> str:
    """Return the table in Markdown."""
    lines = [
        f"| spec | parameters | blocks | d | weights, float32 | bfloat16 | rows of {TEXTS:,} texts |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in PUBLISHED:
        size = model_size(published(name))
        lines.append(
            f"| [{name}](../examples/models/{name}.yaml) | {size.n_parameters:,} | {size.n_layers} "
            f"| {size.d_model:,} | "
            f"{size.weight_bytes(4) / 1e9:.1f} GB | {size.weight_bytes(2) / 1e9:.1f} GB | "
            f"{TEXTS * size.row_bytes() / 1e9:.1f} GB |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
