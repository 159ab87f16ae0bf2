"""Tools that refuse arguments which they do not know.

The SDK passes over them: a filter with a typing error would be left out, and everything answered.
"""

from typing import Any

from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool

SHOWN = 100
"""Most characters of an unknown name in an answer."""


class StrictTool(Tool):
    """A tool whose schema says that it takes no other arguments, and that holds to it.

    One that takes none passes over all: some clients send a placeholder where there are none.
    """

    @classmethod
    def from_function(cls, *arguments: Any, **named: Any) -> Tool:
        """See `Tool`."""
        tool = super().from_function(*arguments, **named)
        if tool.parameters.get("properties"):
            tool.parameters["additionalProperties"] = False
        return tool

    async def run(self, arguments: dict[str, Any], *others: Any, **named: Any) -> Any:
        """See `Tool`.

        Raises:
            ToolError: the tool does not know an argument; or see `Tool`.
        """
        known = self.parameters.get("properties", {})
        unknown = [repr(name[:SHOWN]) for name in arguments if name not in known]
        if known and unknown:
            there = f"the arguments are {', '.join(known)}"
            verb = "is" if len(unknown) == 1 else "are"
            raise ToolError(f"{self.name}: {', '.join(unknown)} {verb} not known here; {there}.")
        return await super().run(arguments, *others, **named)
