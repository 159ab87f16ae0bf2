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
