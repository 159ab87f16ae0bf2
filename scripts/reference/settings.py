"""docs/reference/settings.md: the TRAIND_* variables."""

import re

from app.settings import Settings
from scripts.reference.markdown import code, page_of, table
from scripts.reference.schema_words import default_words, type_words, without_null

ABOUT = """\
The service reads its settings from environment variables when it starts. An empty variable means
the default, and `~` is the user's folder.

The command line reads two more: `TRAIND_URL` says where the service is, and `TRAIND_KEY` which API
key to send; the Python client sends it, too."""


def page() -> str:
    """Each setting, in the order of the class."""
    prefix = Settings.model_config["env_prefix"]
    rows = []
    for name, field in Settings.model_json_schema()["properties"].items():
        is_set = field["default"] not in (None, "")
        rows.append(
            (
                code(f"{prefix}{name.upper()}"),
                type_words(without_null(field), str),
                default_words(name, field, required=False) if is_set else "none",
                re.sub(r"docs/(\w+\.md)", r"[\1](../\1)", field.get("description", "")),
            )
        )
    return page_of("Settings", ABOUT, table(["setting", "type", "default", "meaning"], rows))
