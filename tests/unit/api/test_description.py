"""What /docs says of bodies that their routes read themselves."""

from pydantic import TypeAdapter

from app.jobspec import JobSpec
from app.main import create_app


def test_the_schemas_of_a_specification_are_not_those_of_an_answer() -> None:
    """A section of the same name as an answer would describe the other."""
    schemas = create_app().openapi()["components"]["schemas"]
    sections = TypeAdapter(JobSpec).json_schema(ref_template="#/components/schemas/{model}")
    for name, section in sections["$defs"].items():
        assert schemas[name]["properties"].keys() == section["properties"].keys(), name
    assert schemas["JobSpec"]["properties"].keys() == sections["properties"].keys()


def test_every_operation_says_the_scope_that_its_key_needs() -> None:
    app = create_app()
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            scope = app.state.scopes[method.upper(), path]
            told = operation["security"]
            assert told == ([] if scope is None else [{"key": [scope]}, {}]), (method, path)


def test_the_body_of_predict_says_what_becomes_of_rows() -> None:
    operation = create_app().openapi()["paths"]["/predict"]["post"]
    body = operation["requestBody"]["content"]["application/json"]
    told = body["schema"]["properties"]["inputs"]["description"]
    for word in ("texts", "missing", "category", "ignored", "refused", "ISO 8601", "warning"):
        assert word in told
    assert body["examples"]["row"]["value"]["inputs"] == [{"age": 41, "job": "nurse"}]
