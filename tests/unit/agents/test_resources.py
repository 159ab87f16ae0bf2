"""What an agent reads without asking the service."""

import json

from app.codes import FailureCode, FindingCode
from app.jobspec import JobSpec
from app.mcp.meanings import meanings
from app.mcp.resources import PICTURE
from app.mcp.schemas import spec_schema


def test_every_code_has_its_meaning() -> None:
    for codes in (FindingCode, FailureCode):
        assert set(meanings(codes)) == set(codes)
    assert meanings(FindingCode)["healthy"] == "Nothing is wrong."


def test_the_schema_has_every_field_that_can_be_sent_and_no_reference_is_open() -> None:
    schema = spec_schema()
    assert set(schema["properties"]) == set(JobSpec.model_fields)
    assert "facts" not in schema["$defs"]["Dataset"]["properties"]
    rate = schema["$defs"]["Optimizer"]["properties"]["lr"]
    assert rate["exclusiveMinimum"] == 0
    assert rate["description"]
    text = json.dumps(schema)
    for reference in text.split('"#/$defs/')[1:]:
        assert reference.partition('"')[0] in schema["$defs"]


def test_pictures_are_left_out_of_a_report() -> None:
    report = "# Run\n\n![The loss](data:image/svg+xml;base64,PHN2Zz4=)\n\nText ![x](y.png)\n"
    assert PICTURE.sub("", report) == "# Run\n\nText ![x](y.png)\n"
