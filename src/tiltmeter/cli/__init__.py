"""The command line. Each command parses, calls one public function, and prints."""

from tiltmeter.cli._app import main

__all__ = ["main"]
