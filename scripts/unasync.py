"""Makes the synchronous client of the asynchronous one, by the library that httpcore uses.

    python scripts/unasync.py

Tokens are replaced, and nothing else; what both do differently is in their modules `waiting`.
"""

import subprocess
import sys
from pathlib import Path

from unasync import Rule, unasync_files

CLIENT = Path(__file__).parents[1] / "traind"
OWN = {"waiting.py"}
"""Files that each client has for itself."""
NAMES = {
    "AsyncClient": "Client",
    "AsyncConnection": "Connection",
    "AsyncDatasets": "Datasets",
    "AsyncJob": "Job",
    "AsyncModel": "Model",
    "AsyncShownJob": "ShownJob",
    "_async": "_sync",
    "aclose": "close",
    "aconnect_sse": "connect_sse",
    "aiter_sse": "iter_sse",
    "aread": "read",
}
HEADER = "# Made of traind/_async by scripts/unasync.py: change it there.\n"


def main() -> None:
    """Writes traind/_sync."""
    sources = [file for file in sorted((CLIENT / "_async").glob("*.py")) if file.name not in OWN]
    rule = Rule(f"{CLIENT}/_async/", f"{CLIENT}/_sync/", NAMES)
    unasync_files([str(file) for file in sources], [rule])
    made = [CLIENT / "_sync" / file.name for file in sources]
    for file in made:
        file.write_text(HEADER + file.read_text())
    # shorter names fit on fewer lines, and sort otherwise
    for arguments in (["check", "--quiet", "--select", "I", "--fix"], ["format", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *arguments, *made], check=True)


if __name__ == "__main__":
    main()
