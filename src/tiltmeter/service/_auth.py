"""Who may ask: a bearer token, or the machine itself."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable

from tiltmeter.core.errors import SpecError

_LEAST_CHARACTERS = 16


def check_binding(host: str, *, token: str | None) -> None:
    """Refuse to be reachable from elsewhere without a token, or with one that can be guessed.

    Parameters
    ----------
    host
        The address to bind.
    token
        What clients must show; None for nothing.

    Raises
    ------
    SpecError
        If there is no token and the address is not loopback, or the token is shorter than 16 characters or holds
        anything but printable ASCII.

    Examples
    --------
    >>> check_binding("127.0.0.1", token=None)
    >>> check_binding("0.0.0.0", token=None)
    Traceback (most recent call last):
    tiltmeter.core.errors.SpecError: Without a token the service binds loopback only, and 0.0.0.0 can be reached from \
elsewhere; give a token, or bind 127.0.0.1.
    """
    if token is None:
        if not is_loopback(host):
            raise SpecError(
                f"Without a token the service binds loopback only, and {host} can be reached from elsewhere; give a "
                "token, or bind 127.0.0.1."
            )
        return
    if len(token) < _LEAST_CHARACTERS:
        raise SpecError(
            f"The token has {len(token)} characters, and {_LEAST_CHARACTERS} are the least; make one with "
            "`openssl rand -hex 32`."
        )
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise SpecError("The token may hold printable ASCII without spaces only; make one with `openssl rand -hex 32`.")


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone; names other than localhost are not looked up."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_authorised(headers: Iterable[tuple[bytes, bytes]], *, token: str) -> bool:
    """Whether the headers show the token, in a time that does not tell how much of it was right."""
    shown = [value for name, value in headers if name == b"authorization"]
    scheme, _, given = (shown[0] if len(shown) == 1 else b"").partition(b" ")
    # hashes are of one length: a comparison of the tokens would tell theirs
    right = hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(token.encode()).digest())
    return right and scheme.lower() == b"bearer"


def is_own_host(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the request names a loopback host: a page from elsewhere, whose name was bound to loopback, does not."""
    hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
    if len(hosts) != 1:
        return False
    name, colon, port = hosts[0].rpartition(":")
    return is_loopback(name if colon and port.isdigit() else hosts[0])
