"""What the package needs beyond the library."""

from __future__ import annotations

from importlib.util import find_spec

from tiltmeter.core.errors import MissingExtraError

_missing = [name for name in ("fastapi", "uvicorn", "prometheus_client") if find_spec(name) is None]
if _missing:
    raise MissingExtraError(
        f"Serving monitors needs the extra serve ({', '.join(_missing)} is absent); run pip install 'tiltmeter[serve]'."
    )
