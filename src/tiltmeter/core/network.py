"""Whether a server could be reached at all, before half a minute of attempts."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit
from urllib.request import getproxies


def unknown_host(url: str) -> str | None:
    """Return the host of an address where nobody here knows its name, as without a network; None where it is known.

    A slow network is none of that: only a name that cannot be looked up counts. Where there is a proxy, which looks
    names up itself, nothing is tried.

    Examples
    --------
    >>> unknown_host("http://localhost:8080/models") is None
    True
    """
    host = urlsplit(url).hostname
    if host is None or getproxies():
        return None
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return host
    return None
