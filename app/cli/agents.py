"""`traind mcp`: the service as an agent's tools."""

from importlib.util import find_spec
from typing import Annotated

import typer

from app.cli.connection import Url
from app.cli.exit_codes import ERROR
from app.cli.terminal import console, print_error

PORT = 8765


def mcp(
    *,
    http: Annotated[
        bool, typer.Option("--http", help="Serve many agents over HTTP, each with its own key.")
    ] = False,
    host: Annotated[str, typer.Option(help="Address to listen on, with --http.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on, with --http; 0 is any free.")
    ] = PORT,
    url: Url = None,
) -> None:
    """Give agents the service as tools, by the Model Context Protocol on standard input or HTTP."""
    if find_spec("mcp") is None:
        print_error("The MCP SDK is not installed here; pip install 'traind[mcp]' does it.")
        raise typer.Exit(ERROR)
    from app.mcp import transports
    from app.settings import Settings

    settings = Settings.from_environment()
    service = url or settings.url
    if not http:
        transports.serve_stdio(service)
        return
    names = [name.strip() for name in settings.allowed_hosts.split(",") if name.strip()]
    transports.serve_http(service, host, port, _say_where, names)


def _say_where(url: str) -> None:
    console.print(f"Agents reach traind at {url}. Ctrl-C stops.")
