"""docs/reference/settings.md: the TRAIND_* variables."""

from app.settings import Settings
from scripts.reference.markdown import code, page as page_of, table
from scripts.reference.schema_words import default_words, type_words

ABOUT = """\
The service reads its settings from environment variables when it starts. An empty variable means the
default, and `~` is the user's folder. Commands that only read make no database; the API, the worker and
`traind keys create` do. The variables of the command line are on [its own page](commands.md)."""


def page() -> str:
    """Each setting, in the order of the class."""
    schema = Settings.model_json_schema()
    prefix = Settings.model_config["env_prefix"]
    rows = [
        (
            code(f"{prefix}{name.upper()}"),
            type_words(field, str).removesuffix(" or `null`").removesuffix(", or `null`"),
            "none" if field["default"] in (None, "") else default_words(name, field, required=False),
            field.get("description", ""),
        )
        for name, field in schema["properties"].items()
    ]
    return page_of("Settings", ABOUT, table(["setting", "type", "default", "meaning"], rows))
