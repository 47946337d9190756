"""The tiny model, bound once, with a chat template."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiltmeter import models
from tiltmeter.models import SubjectModel

_TEMPLATE = (
    "{% for message in messages %}{{ message.content + ' ' }}{% endfor %}{% if add_generation_prompt %}is {% endif %}"
)


@pytest.fixture(scope="session")
def subject(tiny_model: Path) -> SubjectModel:
    loaded = models.load(str(tiny_model))
    loaded.tokenizer.chat_template = _TEMPLATE
    loaded.model.generation_config.eos_token_id = 8
    return loaded
