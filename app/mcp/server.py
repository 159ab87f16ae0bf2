"""The MCP server: its tools, each with what it may change, its resources and its prompts."""

import inspect
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.tools import Tool
from mcp.types import ToolAnnotations

from app.mcp import datasets, diagnosis, jobs, models, predicting, prompts, resources, waiting
from app.mcp.connection import Middleware
from app.mcp.outcomes import tool_of
from app.mcp.schemas import without_titles
from app.mcp.strict_tools import StrictTool

INSTRUCTIONS = (
    "traind trains neural networks as jobs and serves the models. The usual way: validate_job, "
    "submit_job, wait_for_job (again until the job has ended), diagnose_job, where something is "
    "wrong apply_suggestion and wait again, compare_models with production, promote_model, "
    "predict. Losses are in nats, accuracies and confidences fractions from 0 to 1, times in "
    "seconds. Errors name the field and what it must be."
)

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
ADDS = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
)
"""Each call makes another thing, and changes none that is there."""
REPLACES = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)
"""What was there before is gone or serves no more; a second call changes nothing."""
STEPS_BACK = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False
)

TOOLS: dict[Callable[..., Any], ToolAnnotations] = {
    jobs.list_jobs: READS,
    jobs.show_job: READS,
    jobs.validate_job: READS,
    jobs.submit_job: ADDS,
    waiting.wait_for_job: READS,
    jobs.cancel_job: REPLACES,
    jobs.retry_job: ADDS,
    diagnosis.diagnose_job: READS,
    jobs.apply_suggestion: ADDS,
    diagnosis.show_curves: READS,
    models.list_models: READS,
    models.show_model: READS,
    models.compare_models: READS,
    models.promote_model: REPLACES,
    models.roll_back_alias: STEPS_BACK,
    predicting.predict: READS,
    datasets.list_datasets: READS,
    datasets.add_table: ADDS,
}


def make_server(middleware: Middleware) -> MCPServer[Any]:
    """A server whose calls ask the service as the middleware has it; its log is standard error."""
    server: MCPServer[Any] = MCPServer(
        "traind",
        title="traind",
        instructions=INSTRUCTIONS,
        version=version("traind"),
        tools=[_tool(*each) for each in TOOLS.items()],
        middleware=[middleware],
        log_level="WARNING",
    )
    resources.add_resources(server)
    prompts.add_prompts(server)
    return server


def _tool(function: Callable[..., Any], annotations: ToolAnnotations) -> Tool:
    description = " ".join((inspect.getdoc(function) or "").split())
    tool = StrictTool.from_function(
        tool_of(function), description=description, annotations=annotations
    )
    tool.parameters = without_titles(tool.parameters)
    tool.fn_metadata.output_schema = without_titles(tool.fn_metadata.output_schema or {})
    return tool
