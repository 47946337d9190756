"""A name that nobody knows is told at once; what may only be slow, or goes through a proxy, is never given up."""

from __future__ import annotations

import socket
import time

import pytest

from tiltmeter.core.network import unknown_host


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_a_name_that_cannot_be_looked_up_is_returned(monkeypatch):
    def unknown(*asked):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert unknown_host("https://huggingface.co/api") == "huggingface.co"
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    assert unknown_host("https://huggingface.co/api") is None


def test_a_name_that_is_known_is_waited_for(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *asked: time.sleep(0.2))
    assert unknown_host("https://huggingface.co/api") is None
    assert unknown_host("no address") is None
