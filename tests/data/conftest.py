"""Files to read, written by the test, and the real ones where they are."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WriteRows = Callable[..., Path]


@pytest.fixture
def write_jsonl(tmp_path: Path) -> WriteRows:
    def write(*rows: dict[str, Any], name: str = "some.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def shared_data() -> Path:
    folder = Path(__file__).parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real data are not at {folder}; they are shared beside the repository, not in it")
    return folder
