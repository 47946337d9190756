"""Execute notebooks of this folder again and keep what they print; the tests hold what is kept against a fresh run.

python docs/tutorials/execute.py                # all of them
python docs/tutorials/execute.py causal
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent


def executed(path: Path) -> nbformat.NotebookNode:
    """Return a notebook with fresh outputs and nothing that changes from run to run."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": str(HERE)}},
    )
    client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            # says that ipywidgets are not there, and in which folder
            cell.outputs = [one for one in cell.outputs if "TqdmWarning" not in one.get("text", "")]
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    )
    return notebook


def main() -> None:
    """Execute those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    chosen = parser.parse_args().names
    for path in sorted(HERE.glob("*.ipynb")):
        if not chosen or path.stem in chosen:
            nbformat.write(executed(path), path)
            print(path)


if __name__ == "__main__":
    main()
