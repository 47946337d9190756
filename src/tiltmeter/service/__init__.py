"""Monitors over HTTP: scores, streams with scores beside the tokens, alarms, and a page.

It alone needs the extra ``serve``.
"""

from typing import TYPE_CHECKING

from tiltmeter.core.on_demand import names_on_demand
from tiltmeter.service import _needs as _needs  # at once: without the extra, nothing of this package is found

if TYPE_CHECKING:
    from tiltmeter.service._app import create_app
    from tiltmeter.service._auth import check_binding
    from tiltmeter.service._limits import Limits
    from tiltmeter.service._serve import serve
else:
    __getattr__, __dir__ = names_on_demand(__name__)

__all__ = ["Limits", "check_binding", "create_app", "serve"]
