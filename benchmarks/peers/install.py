"""Give each peer an environment of its own: ``python -m benchmarks.peers.install``, optionally with their names.

They lie in ``.venv-peers``, apart from Tiltmeter's, whose versions they would move. On Linux, where the package index
gives PyTorch with gigabytes of GPU libraries, ``PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu`` gives the
small build.
"""

from __future__ import annotations

import argparse
import subprocess
import venv
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".venv-peers"
PEERS = ("nnsight", "transformer-lens", "concept-erasure", "dictionary-learning", "sae-lens")


def python_of(peer: str) -> Path:
    """The interpreter of a peer's environment, whether it is there or not."""
    return ENVIRONMENTS / peer / "bin" / "python"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peers", nargs="*", help=f"default: {' '.join(PEERS)}")
    chosen = parser.parse_args().peers or PEERS
    if unknown := sorted(set(chosen) - set(PEERS)):
        parser.error(f"{unknown[0]} is not a peer; use {' or '.join(PEERS)}")
    for peer in chosen:
        venv.create(ENVIRONMENTS / peer, with_pip=True)
        requirements = HERE / f"{peer}.txt"
        subprocess.run([python_of(peer), "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
        print(f"{peer} is installed in {python_of(peer).parents[1]}")


if __name__ == "__main__":
    main()
