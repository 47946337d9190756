"""The page, and the rules under which a browser shows it."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources
from typing import NamedTuple

_PLACEHOLDER = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Tiltmeter</title>
<style>body { font: 1rem/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 40rem; }</style>
<h1>Tiltmeter</h1>
<p>The service is running. Its endpoints: POST /v1/score, POST /v1/generate, GET /v1/alarms, GET /v1/monitors.</p>
</html>
"""


class Page(NamedTuple):
    """A page, and the headers that go with it."""

    content: str
    headers: dict[str, str]


def read_page() -> Page:
    """Read the page of the package, or a word in its place; its own scripts and styles alone may run."""
    file = resources.files("tiltmeter.service") / "page.html"
    content = file.read_text(encoding="utf-8") if file.is_file() else _PLACEHOLDER
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
