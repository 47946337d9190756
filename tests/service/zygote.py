"""Forks services of the tiny model, for tests that kill them."""

from __future__ import annotations

import sys

from benchmarks.service import fork_services
from tests.service.served import made_monitor
from tiltmeter import models
from tiltmeter.service import create_app

if __name__ == "__main__":
    subject = models.load(sys.argv[1])
    monitor = made_monitor(subject, threshold=float(sys.argv[2]))
    fork_services(lambda log: create_app(subject, {"m": monitor}, log=log))
