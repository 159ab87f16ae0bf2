"""Each error of a spec says where it is and what must change, whatever pydantic calls it."""

import re
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from app.api.plain_words import explain, pointer
from app.jobspec import JobSpec, Section
from app.jobspec.import_options import ImageOptions


def explained(spec: Any) -> list[dict[str, str]]:
    with pytest.raises(ValidationError) as refusal:
        JobSpec.model_validate(spec)
    errors = [{**error, "loc": ("body", *error["loc"])} for error in refusal.value.errors()]
    return explain(RequestValidationError(errors).errors())


def parts(model: type[BaseModel], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Where every part of a spec lies, those that may be null included."""
    found = [path]
    for name, field in model.model_fields.items():
        for nested in part_of(field):
            found += parts(nested, (*path, name))
    return found


def part_of(field: FieldInfo) -> list[type[Section]]:
    annotation: Any = field.annotation
    candidates = (annotation, *getattr(annotation, "__args__", ()))
    return [each for each in candidates if isinstance(each, type) and issubclass(each, Section)]


WRITTEN_BY_CLIENTS = [path for path in parts(JobSpec) if path != ("dataset", "facts")]


@pytest.mark.parametrize("path", WRITTEN_BY_CLIENTS, ids=".".join)
def test_an_unknown_field_of_any_part_is_answered_with_the_known_ones(
    path: tuple[str, ...],
) -> None:
    spec: dict[str, Any] = {"surprise": 1}
    for name in reversed(path):
        spec = {name: spec}
    (error,) = [each for each in explained(spec) if each["pointer"].endswith("/surprise")]
    assert error["pointer"] == pointer([*path, "surprise"])
    assert re.fullmatch(r"is not known here; the fields are \w+(, \w+)*", error["detail"])


def test_a_pointer_names_fields_of_the_body_and_never_types() -> None:
    for spec in (
        {"labels": {"a:b": "c"}},
        {"labels": {"a[b]": 1}},
        {"model": {"hidden": ["x"]}},
        {"training": {"loss": {"class_weights": [1.0, "a"]}}},
    ):
        for error in explained(spec):
            value: Any = spec
            for name in error["pointer"].split("/")[1:]:
                value = value[int(name)] if isinstance(value, list) else value[name]


@pytest.mark.parametrize(
    ("size", "where", "detail"),
    [
        (0, "/size", "must be at least 8"),
        ("x", "/size", "must be a whole number or a list"),
        (8.5, "/size", "must be a whole number or a list"),
        ([8, 0], "/size/1", "must be at least 8"),
        ([8, 8, 8], "/size", "must have at most 2 items, not 3"),
    ],
)
def test_a_value_of_several_types_has_one_error_at_its_field(
    size: Any, where: str, detail: str
) -> None:
    with pytest.raises(ValidationError) as refusal:
        ImageOptions(size=size)
    errors = [{**error, "loc": ("body", *error["loc"])} for error in refusal.value.errors()]
    assert explain(errors, ImageOptions) == [{"pointer": where, "detail": detail}]


@pytest.mark.parametrize(
    ("weights", "detail"),
    [(1, "must be 'balanced' or a list"), ([1.0, "a"], "must be a number")],
)
def test_a_union_of_a_job_says_what_it_takes(weights: Any, detail: str) -> None:
    (error,) = explained({"training": {"loss": {"class_weights": weights}}})
    assert error["detail"] == detail


def test_numbers_are_written_as_people_write_them() -> None:
    (error,) = explained({"training": {"optimizer": {"lr": 0}}})
    assert error["detail"] == "must be above 0"
    (error,) = explained({"dataset": {"validation_fraction": 0.75}})
    assert error["detail"] == "must be at most 0.5"


def test_an_error_without_our_words_keeps_those_of_pydantic() -> None:
    with pytest.raises(ValidationError) as refusal:
        TypeAdapter(bytes).validate_python(1)
    (error,) = refusal.value.errors()
    assert explain([{**error, "loc": ("query", "x")}]) == [
        {"parameter": "x", "detail": error["msg"]}
    ]
