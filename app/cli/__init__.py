"""The `traind` command."""

try:
    from app.cli.commands import app, main
except ModuleNotFoundError as error:  # of `pip install traind`, or of the client alone
    raise SystemExit(f"traind: {error}: pip install 'traind[cli]'") from error

__all__ = ["app", "main"]
