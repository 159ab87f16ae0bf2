"""JSON schemas in words: what a value may be, and the table of an object's fields."""

import json
from collections.abc import Callable
from typing import Any

from scripts.reference.markdown import code, table

Schema = dict[str, Any]
Refer = Callable[[str], str]
"""Names a type, with a link to where it is described."""

BINARY_UNITS = {"GiB": 2**30, "MiB": 2**20}


def type_words(schema: Schema, refer: Refer) -> str:
    """Type and limits of a value, such as "integer, 1 to 64"."""
    if "$ref" in schema:
        return refer(schema["$ref"].rpartition("/")[2])
    if choices := schema.get("anyOf", schema.get("oneOf")):
        kinds = [type_words(each, refer) for each in choices]
        return ("; or " if any(", " in kind or ": " in kind for kind in kinds) else " or ").join(
            kinds
        )
    if "const" in schema:
        return value_words(schema["const"])
    if "enum" in schema:
        return ", ".join(map(value_words, schema["enum"]))
    return _of_type(schema, refer)


def _of_type(schema: Schema, refer: Refer) -> str:
    match schema.get("type"):
        case "array":
            return _list(schema, refer)
        case "object":
            return _object(schema, refer)
        case "string":
            return _string(schema)
        case "integer" | "number" as kind:
            return ", ".join([kind, *_range(schema)])
        case "null":
            return code("null")
        case list() as kinds:
            return " or ".join(type_words(schema | {"type": kind}, refer) for kind in kinds)
        case str() as kind:
            return kind
    return "any JSON"


def _list(schema: Schema, refer: Refer) -> str:
    places = [type_words(each, refer) for each in schema.get("prefixItems", [])]
    if places:
        return f"list of {len(places)} ({', '.join(places)})"
    items = type_words(schema["items"], refer) if schema.get("items") else "any JSON"
    count = _count(schema, "Items", "")
    return f"list of {count + ': ' if count else ''}{items}"


def _object(schema: Schema, refer: Refer) -> str:
    values = schema.get("additionalProperties")
    if not isinstance(values, dict):
        return "object"
    count = _count(schema, "Properties", "")
    names = _count(schema.get("propertyNames", {}), "Length", " characters")
    return "".join(
        [
            f"object of {count + ' ' if count else ''}values by name: {type_words(values, refer)}",
            f"; names of {names}" if names else "",
        ]
    )


def _string(schema: Schema) -> str:
    if schema.get("format") == "binary":
        return "bytes"
    facts = [schema.get("format", "string"), _count(schema, "Length", " characters")]
    if "pattern" in schema:
        facts.append(f"matches {code(schema['pattern'])}")
    return ", ".join(filter(None, facts))


def _count(schema: Schema, what: str, unit: str) -> str:
    """How many characters, items or pairs there may be; nothing where any number is right."""
    low, high = schema.get(f"min{what}"), schema.get(f"max{what}")
    if high is None:
        return "" if low is None else f"at least {number(low)}{unit}"
    if low == high:
        return f"{number(high)}{unit}"
    return (f"{number(low)} to " if low else "at most ") + f"{number(high)}{unit}"


def _range(schema: Schema) -> list[str]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return [f"{number(low)} to {number(high)}"]
    words = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    return [f"{word} {number(schema[key])}" for key, word in words.items() if key in schema]


def number(value: float) -> str:
    """A limit, for people: 1,000,000 and 2^63."""
    if value >= 2**32 and value == 2 ** (int(value).bit_length() - 1):
        return f"2^{int(value).bit_length() - 1}"
    return f"{int(value):,}" if value == int(value) else repr(value)


def value_words(value: Any) -> str:
    """A value as one writes it; a text without quotation marks."""
    if value == "":
        return "empty"
    text = json.dumps(value, ensure_ascii=False)
    return code(text.strip('"') if isinstance(value, str) else text)


def default_words(name: str, field: Schema, *, required: bool) -> str:
    """The value of a field that is left out."""
    if required:
        return "required"
    if "default" not in field:
        return value_words(None) if is_nullable(field) else ""
    value = field["default"]
    if value and isinstance(value, dict):
        return ""  # an object's defaults are those of its fields
    if name.endswith("_bytes"):
        for unit, size in BINARY_UNITS.items():
            if value % size == 0:
                return f"{code(str(value))} ({value // size} {unit})"
    return value_words(value)


def is_nullable(field: Schema) -> bool:
    """Whether the value may be null."""
    return {"type": "null"} in field.get("anyOf", []) or "null" in _types(field)


def _types(field: Schema) -> list[str]:
    kinds = field.get("type")
    return kinds if isinstance(kinds, list) else []


def without_null(field: Schema) -> Schema:
    """A field that may be left out: that it may be null means the same, and need not be said."""
    if not is_nullable(field):
        return field
    if types := _types(field):
        return field | {"type": [each for each in types if each != "null"]}
    return field | {"anyOf": [each for each in field["anyOf"] if each != {"type": "null"}]}


def description(field: Schema, definitions: Schema) -> str:
    """A field's meaning, or else that of its type."""
    if "description" not in field and "$ref" in field:
        field = definitions[field["$ref"].rpartition("/")[2]]
    return str(field.get("description", ""))


def taken_fields(schema: Schema, definitions: Schema, refer: Refer) -> str:
    """Each field of an object that a request brings."""
    rows = []
    for name, field in schema["properties"].items():
        required = name in schema.get("required", [])
        kind = type_words(field if required else without_null(field), refer)
        rows.append(
            (
                code(name),
                f"{kind}, read-only" if field.get("readOnly") else kind,
                default_words(name, field, required=required),
                description(field, definitions),
            )
        )
    return table(["field", "type", "default", "meaning"], rows)


def answered_fields(schema: Schema, definitions: Schema, refer: Refer) -> str:
    """Each field of an object that an answer brings."""
    rows = [
        (code(name), type_words(field, refer), description(field, definitions))
        for name, field in schema["properties"].items()
    ]
    return table(["field", "type", "meaning"], rows)
