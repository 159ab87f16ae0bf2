"""What an agent sends reaches the service as it was sent."""

from typing import Any

import pytest
from mcp.server.mcpserver.tools import Tool

from app.mcp.predicting import predict

ARGUMENTS = Tool.from_function(predict).fn_metadata


@pytest.mark.parametrize(
    "inputs",
    [
        [{"zip": 80, "income": 80.0, "owner": True, "job": "80", "age": None}],
        [[0, 255], "iVBORw0KGgo="],
        [[[0, 1], [2, 3]]],
    ],
    ids=["row", "pixels and a file", "nested pixels"],
)
def test_inputs_keep_their_types(inputs: list[Any]) -> None:
    assert repr(ARGUMENTS.validate_arguments({"inputs": inputs})["inputs"]) == repr(inputs)
