"""What the logs write: JSON lines, whoever logs, and no API key."""

import json
import subprocess
import sys

SCRIPT = """
import logging, structlog
from app import logs
logs.configure()
token = "traind_01ARZ3NDEKTSV4RRFFQ69G5FAV_" + "s" * 43
structlog.get_logger("traind.api").info("refused " + token, header="Bearer " + token)
logging.getLogger("uvicorn.error").warning("a line with %s", token)
try:
    raise ValueError(token)
except ValueError:
    logging.getLogger("traind.worker").exception("failed")
"""


def test_every_line_is_json_and_no_key_is_in_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    first, second, third = (json.loads(line) for line in done.stderr.splitlines())
    assert first["event"] == "refused traind_01ARZ3NDEKTSV4RRFFQ69G5FAV_..."
    assert (first["logger"], first["level"]) == ("traind.api", "info")
    assert second["event"].startswith("a line with traind_01ARZ")
    assert "ValueError" in third["exception"]
    assert "s" * 43 not in done.stderr
