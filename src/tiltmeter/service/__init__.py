"""Monitors over HTTP: scores, streams with scores beside the tokens, alarms, and a page.

It alone needs the extra ``serve``.
"""

from tiltmeter.service import _needs as _needs  # isort: split

from tiltmeter.service._app import create_app
from tiltmeter.service._auth import check_binding
from tiltmeter.service._limits import Limits
from tiltmeter.service._serve import serve

__all__ = ["Limits", "check_binding", "create_app", "serve"]
