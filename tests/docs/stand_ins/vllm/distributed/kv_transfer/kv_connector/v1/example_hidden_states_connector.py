"""In the place of vLLM's connector: here every file is whole as soon as it is named."""

from pathlib import Path


def load_hidden_states(path: str) -> None:
    """Wait for a file."""
    assert Path(path).exists()
