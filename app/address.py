"""Where the API listens: its URL on this machine, and whether the port is free."""

import contextlib
import errno
import http.client
import ipaddress
import socket

BACKLOG = 2048
"""Connections that wait to be accepted, as uvicorn has it."""
ANSWER_SECONDS = 2.0
"""How long whoever holds the port may take to say who it is."""


class AddressUnavailable(Exception):
    """The API cannot listen at its address; the message says who does, or why not."""


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach the host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def url(host: str, port: int) -> str:
    """The URL of an API on this machine; one that listens on every address is on the loopback."""
    return f"http://{_in_url(_reachable(host))}:{port}"


def free_port(host: str) -> int:
    """A port of the host that nothing listens on."""
    family, kind, protocol, _, place = _resolve(host, 0)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.bind(place)
        return int(probe.getsockname()[1])


def check_free(host: str, port: int) -> None:
    """Checks that the API can listen there.

    Raises:
        AddressUnavailable: another program listens there, or the system refuses the address.
    """
    for bound in _bound(host, port):
        bound.close()


def listening(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen there, one for each address of the host.

    Raises:
        AddressUnavailable: another program listens there, or the system refuses the address.
    """
    sockets = _bound(host, port)
    for bound in sockets:
        bound.listen(BACKLOG)
        bound.setblocking(False)
    return sockets


def _bound(host: str, port: int) -> list[socket.socket]:
    with contextlib.ExitStack() as opened:
        sockets = []
        for family, kind, protocol, _, place in _resolve(host, port):
            bound = opened.enter_context(socket.socket(family, kind, protocol))
            sockets.append(bound)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:  # as asyncio binds: IPv4 has a socket of its own
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                bound.bind(place)
            except OSError as error:
                here = url(host, port)
                if error.errno == errno.EADDRINUSE:
                    raise AddressUnavailable(_taken(host, port)) from error
                raise AddressUnavailable(
                    f"traind cannot listen at {here}: {error.strerror}; set TRAIND_HOST to an "
                    "address of this machine and TRAIND_PORT to a port that you may use."
                ) from error
        opened.pop_all()
        return sockets


def _resolve(host: str, port: int) -> list[tuple[int, int, int, str, tuple[str | int, ...]]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise AddressUnavailable(
            f"TRAIND_HOST={host}: no address of this machine has this name; use 127.0.0.1 or one "
            "that `ip address` lists."
        ) from error
    return [(int(each[0]), int(each[1]), *each[2:]) for each in found]


def _taken(host: str, port: int) -> str:
    """Who listens there, and what to do. A traind names itself at /v2, even without a key."""
    here = url(host, port)
    connection = http.client.HTTPConnection(_reachable(host), port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/v2")
        body = connection.getresponse().read(4096)
    except TimeoutError:
        return (
            f"Something listens at {here} and does not answer within {ANSWER_SECONDS:g} s: if it "
            "is traind, it hangs; stop it, or set TRAIND_PORT to another port."
        )
    except (OSError, http.client.HTTPException):
        body = b""
    finally:
        connection.close()
    holder = "Another traind" if b"traind" in body else "Another program"
    return f"{holder} already listens at {here}: stop it, or set TRAIND_PORT to another port."


def _reachable(host: str) -> str:
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return host
    if ip.is_unspecified:
        return "127.0.0.1" if ip.version == 4 else "::1"
    return host


def _in_url(host: str) -> str:
    """An IPv6 address stands in brackets, and % before its zone is escaped (RFC 6874)."""
    return f"[{host.replace('%', '%25')}]" if ":" in host else host
