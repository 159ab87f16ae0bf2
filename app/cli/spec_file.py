"""Reads a job's specification from a file: UTF-8, strictly JSON, or YAML where its name says so.

YAML is read by the rules of its version 1.2: `no` is a text and `1e-3` a number, as in JSON.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from app import json_text

YAML_ENDINGS = {".yaml", ".yml"}
SCALARS = {
    "tag:yaml.org,2002:null": (r"null|Null|NULL|~|", "nN~\0"),
    "tag:yaml.org,2002:bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "tag:yaml.org,2002:int": (r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    "tag:yaml.org,2002:float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?",
        "-+0123456789.",
    ),
}
"""How plain scalars of each kind look (YAML 1.2.2, section 10.3.2), and how they may begin.

PyYAML's own rules are those of version 1.1. Infinity and NaN are left out: a job has none.
"""


class BadSpecFile(Exception):
    """The file is no specification; the message names it, says why, and what to do."""


def read(file: Path) -> Any:
    """What the file holds; whether it is a valid job is for the API to say.

    Raises:
        BadSpecFile: it cannot be read, or is neither JSON nor, where so named, YAML.
    """
    is_yaml = file.suffix.lower() in YAML_ENDINGS
    form = "YAML" if is_yaml else "JSON"
    try:
        content = file.read_bytes()
        json_text.check_encoding(content)
        return _parse_yaml(content) if is_yaml else json_text.parse(content)
    except OSError as error:
        raise BadSpecFile(f"{file}: {error.strerror}; name a readable {form} file.") from error
    except json_text.OtherEncoding as error:
        raise BadSpecFile(f"{file} is text in {error.encoding}; save it as UTF-8.") from error
    except UnicodeDecodeError as error:
        at = f"byte {error.start}"
        raise BadSpecFile(f"{file} is not UTF-8 text ({at}); save it as UTF-8.") from error
    except (TypeError, ValueError, RecursionError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())
        raise BadSpecFile(f"{file} is not {form}: {why}; correct it and submit again.") from error


class _Reader(yaml.SafeLoader):
    """Reads what JSON can say, too."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node; a node that stands for another one is refused, for JSON has none."""
        if self.check_event(yaml.AliasEvent):
            event: yaml.AliasEvent = self.peek_event()  # type: ignore[no-untyped-call]
            raise ValueError(f"*{event.anchor} refers to another place; write it out")
        return super().compose_node(parent, index)


def _mapping(reader: _Reader, node: yaml.MappingNode) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in node.value:
        name = key.value
        if not isinstance(name, str):
            raise TypeError(f"the name of a field is no text{key.start_mark}")
        if name in fields:
            raise ValueError(f"{name!r} appears twice in one object")
        fields[name] = reader.construct_object(value, deep=True)
    return fields


def _number(reader: _Reader, node: yaml.ScalarNode) -> float:
    return float(reader.construct_scalar(node))


for _tag, (_pattern, _beginnings) in SCALARS.items():
    _Reader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), list(_beginnings))
_Reader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Reader.add_constructor("tag:yaml.org,2002:float", _number)


def _parse_yaml(content: bytes) -> Any:
    reader = _Reader(str(content, "utf-8-sig"))
    try:
        value = reader.get_single_data()
    finally:
        reader.dispose()
    json.dumps(value, allow_nan=False)  # refuses what tags may make: dates, bytes, too large floats
    return value
