"""``python -m tiltmeter``: the command line."""

from __future__ import annotations

from tiltmeter.cli import main

if __name__ == "__main__":
    main()
