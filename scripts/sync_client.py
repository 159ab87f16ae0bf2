"""Makes the synchronous client of the asynchronous one, by the library that httpcore uses.

    python -m scripts.sync_client

Tokens are replaced, and nothing else; what both do differently is in their modules `waiting`.
"""

import subprocess
import sys
import tempfile
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
HEADER = "# Made of traind/_async by scripts/sync_client.py: change it there.\n"


def main() -> None:
    """Writes traind/_sync."""
    for file, text in made().items():
        file.write_text(text)


def made() -> dict[Path, str]:
    """The files of traind/_sync as they must be."""
    sources = [file for file in sorted((CLIENT / "_async").glob("*.py")) if file.name not in OWN]
    with tempfile.TemporaryDirectory() as folder:
        rule = Rule(f"{CLIENT}/_async/", f"{folder}/", NAMES)
        unasync_files([str(file) for file in sources], [rule])
        return {
            CLIENT / "_sync" / file.name: _formatted(
                HEADER + (Path(folder) / file.name).read_text(), CLIENT / "_sync" / file.name
            )
            for file in sources
        }


def _formatted(text: str, file: Path) -> str:
    """The text as ruff has it in this file: shorter names fit on fewer lines."""
    for command in (["check", "--quiet", "--select", "I", "--fix"], ["format"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(file), "-"]
        text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout
    return text


if __name__ == "__main__":
    main()
