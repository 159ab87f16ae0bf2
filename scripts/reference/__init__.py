"""The pages of docs/reference, made of what the code itself says: nothing is told twice.

    python -m scripts.reference     writes them; `make reference` does it

A page depends on the code and the pinned libraries only: not on the machine, its settings, the
width of its terminal or the version of Python.
"""

from pathlib import Path

from scripts.reference import commands, routes, settings, specification, types_of_bodies

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


def pages() -> dict[str, str]:
    """Each page by the name of its file."""
    return {
        "commands.md": commands.page(),
        "http.md": routes.page(),
        "settings.md": settings.page(),
        "specification.md": specification.page(),
        "types.md": types_of_bodies.page(),
    }
