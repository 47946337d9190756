"""The page, and the rules under which a browser shows it."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources
from typing import NamedTuple


class Page(NamedTuple):
    """A page, and the headers that go with it."""

    content: str
    headers: dict[str, str]


def read_page() -> Page:
    """Read the page of the package; its own scripts and styles alone may run."""
    content = (resources.files("tiltmeter.service") / "page.html").read_text(encoding="utf-8")
    rules = {
        "default-src": "'none'",
        "script-src": _hashes(content, "script"),
        "style-src": _hashes(content, "style"),
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    headers = {
        "content-security-policy": "; ".join(f"{name} {allowed}" for name, allowed in rules.items()),
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
        "x-frame-options": "DENY",
    }
    return Page(content, headers)


def _hashes(content: str, tag: str) -> str:
    """Return the hashes of the inline elements of a kind, as the policy names them."""
    found = re.findall(rf"<{tag}\b[^>]*>(.*?)</{tag}>", content, re.DOTALL | re.IGNORECASE)
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in found)
    return " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
