"""Options of an import as their reader writes them.

The messages of an import name options as the API does: `table.target` is a field of
`POST /datasets`. The command line and the Python client replace these names by their own.
"""

from collections.abc import Mapping

TARGET = '{"kind": "table", "table": {"target": "COLUMN"}}'
"""A table's column of classes, as an API's body names it."""
IN_TERMINAL = {
    TARGET: "--target COLUMN",
    "table.target": "--target",
    "in table.columns": "by --column NAME=KIND",
    "table.columns": "--column",
    "parts.split": "--split",
    "parts.group": "--group",
    "`file`": "--file",
    "`label`": "--label",
}
"""Options of `traind data add`."""
IN_PYTHON = {
    TARGET: 'table={"target": "COLUMN"}',
    "table.target": 'table={"target": ...}',
    "table.columns": 'table={"columns": ...}',
    "parts.split": 'parts={"split": ...}',
    "parts.group": 'parts={"group": ...}',
    "`file`": "file=",
    "`label`": "label=",
}
"""Arguments of `client.datasets.add`."""


def reworded(text: str, words: Mapping[str, str]) -> str:
    """A message of an import in which options have the names of its reader."""
    for named, instead in words.items():
        text = text.replace(named, instead)
    return text
