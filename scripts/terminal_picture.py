"""Draws docs/pictures/terminal.svg: `traind submit` of a rate that is too high, in a terminal.

    pip install pyte
    python -m scripts.terminal_picture

The service is one of its own in a temporary folder. What is drawn is the screen at the end, by a
terminal emulator, so that bars that were written over are as one sees them.
"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from itertools import groupby
from pathlib import Path

import pyte
from rich.console import Console
from rich.text import Text

from app.local import running
from app.settings import Settings

COLUMNS, LINES = 100, 46
PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "terminal.svg"
COMMAND = "traind submit --preset digits --set training.optimizer.lr=20 --set training.epochs=3"


def main() -> None:
    """Writes the picture."""
    with (
        tempfile.TemporaryDirectory() as home,
        running(Settings(home=Path(home), port=0), Path(home) / "log") as up,
    ):
        screen = run(COMMAND.split()[1:], {"TRAIND_URL": up.url})
    console = Console(record=True, width=COLUMNS, file=sys.stderr)
    console.print(Text(f"$ {COMMAND}", "bold"))
    rows = [row for row in range(LINES) if screen.display[row].strip()]
    for row in range(rows[0], rows[-1] + 1):
        console.print(drawn(screen, row))
    picture = console.export_svg(title="traind")
    # rich's picture asks another host for its font
    PICTURE.write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL))


def run(arguments: list[str], environment: dict[str, str]) -> pyte.Screen:
    """The screen when the command has ended."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", "from app.cli import main; main()", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | environment | {"TERM": "xterm-256color"},
    )
    os.close(theirs)
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    try:
        while piece := os.read(ours, 2**16):
            stream.feed(piece)
    except OSError:  # the other end is closed
        pass
    process.wait()
    return screen


def drawn(screen: pyte.Screen, row: int) -> Text:
    """A line of the screen with its colours, a span for each of them."""
    text = Text(no_wrap=True)
    cells = [screen.buffer[row][column] for column in range(COLUMNS)]
    for style, run_of in groupby(cells, styled):
        text.append("".join(cell.data for cell in run_of), style)
    text.rstrip()
    return text


def styled(cell: pyte.screens.Char) -> str:
    """A cell's style in rich's words."""
    color = cell.fg.replace("brown", "yellow")
    named = f"#{color}" if re.fullmatch("[0-9a-f]{6}", color) else color
    return f"bold {named}" if cell.bold else named


if __name__ == "__main__":
    main()
