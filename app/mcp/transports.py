"""How agents reach the server: over standard input and output, or over streamable HTTP."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterable

import httpx
import uvicorn
from mcp.server.transport_security import TransportSecuritySettings

from app import address
from app.client import Client
from app.mcp.connection import with_key_of_request, with_own_key
from app.mcp.server import make_server

SHUTDOWN_SECONDS = 5
"""How long a stopping server waits for the calls in flight."""
OWN_NAMES = ("127.0.0.1", "localhost", "[::1]")
NO_PAGE_HAS_A_KEY = TransportSecuritySettings(enable_dns_rebinding_protection=False)
"""Beyond the loopback every call needs a key: its `Host` and `Origin` prove nothing more."""


def serve_stdio(url: str) -> None:
    """Answers one agent until it closes the input, with the key in TRAIND_KEY."""
    # Python's own handler would wait for the thread that reads the input, which Ctrl-C cannot wake.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with Client(url) as client:
        asyncio.run(make_server(with_own_key(client)).run_stdio_async())


def serve_http(
    url: str,
    host: str,
    port: int,
    listens_at: Callable[[str], object],
    allowed_hosts: Iterable[str] = (),
) -> None:
    """Answers many agents at /mcp until a signal; each call goes on with the key that it brought.

    No session is kept: nothing of one user is there when another one calls. `allowed_hosts` are
    names under which it answers on the loopback, as a proxy may send them.

    Raises:
        AddressUnavailable: it cannot listen there, or should not: others than this machine could
            use a service that asks for no key.
        httpx.HTTPError: whether the service asks for keys is not known, as it does not answer.
    """
    loopback = address.is_loopback(host)
    if not loopback and not _asks_for_keys(url):
        raise address.AddressUnavailable(
            f"traind mcp would let everybody who reaches {host} use {url}, which asks for no key: "
            "make one first, with `traind keys create NAME --scope write`, or listen on 127.0.0.1."
        )
    with _listening(host, port) as bound:
        port = bound.getsockname()[1]
        application = make_server(with_key_of_request(url)).streamable_http_app(
            stateless_http=True,
            transport_security=_security(port, allowed_hosts) if loopback else NO_PAGE_HAS_A_KEY,
        )
        config = uvicorn.Config(
            application,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        listens_at(f"{address.url(host, port)}/mcp")
        uvicorn.Server(config).run([bound])


def _asks_for_keys(url: str) -> bool:
    with httpx.Client(base_url=url, trust_env=not address.is_loopback(httpx.URL(url).host)) as http:
        return http.get("/v2").status_code == httpx.codes.UNAUTHORIZED


def _security(port: int, allowed_hosts: Iterable[str]) -> TransportSecuritySettings:
    """Refuses foreign web pages by `Host` and `Origin`; app/api/origins.py says why.

    Pages of other ports of this machine are foreign, too.
    """
    allowed = [host for name in allowed_hosts for host in (name, f"{name}:*")]
    hosts = [*OWN_NAMES, *(f"{name}:*" for name in OWN_NAMES), *allowed]
    pages = [*(f"{name}:{port}" for name in OWN_NAMES), *allowed]
    origins = [f"{scheme}://{page}" for page in pages for scheme in ("http", "https")]
    return TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=origins)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise address.AddressUnavailable(
            f"traind mcp cannot listen at {address.url(host, port)}: {error.strerror}; name "
            "another --port, or a --host that is an address of this machine."
        ) from error
