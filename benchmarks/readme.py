"""Puts what a benchmark found into benchmarks/README.md, between the comments with its name."""

import re
from datetime import UTC, datetime
from pathlib import Path

README = Path(__file__).parent / "README.md"


def write(name: str, text: str) -> None:
    """Replaces what stands between `<!-- name -->` and `<!-- /name -->`, dated today."""
    marked = rf"(<!-- {name} -->\n).*(<!-- /{name} -->)"
    dated = f"{datetime.now(UTC):%Y-%m-%d}, {text.strip()}\n"
    page = re.sub(marked, lambda m: f"{m[1]}{dated}{m[2]}", README.read_text(), flags=re.DOTALL)
    README.write_text(page)
