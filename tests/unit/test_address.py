"""The URL of a host and a port, and which clients go through a proxy."""

import httpx
import pytest

from app.client import Client
from app.settings import Settings


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("fe80::1%eth0", "http://[fe80::1%25eth0]:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104 (only its URL is made)
        ("::", "http://[::1]:8000"),
        ("localhost", "http://localhost:8000"),
    ],
)
def test_the_url_of_a_host_can_be_reached(host: str, url: str) -> None:
    assert Settings(host=host, port=8000).url == url
    httpx.URL(url)


@pytest.mark.parametrize(
    ("url", "proxied"),
    [
        ("http://127.0.0.2:8000", False),
        ("http://[::1]:8000", False),
        ("http://localhost:8000", False),
        ("http://example.org", True),
    ],
)
def test_only_the_loopback_goes_past_a_proxy(
    url: str, proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:9")
    with Client(url) as client:
        assert any(client._http._mounts.values()) is proxied
