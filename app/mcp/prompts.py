"""Prompts that a person may start an agent with."""

from typing import Any

from mcp.server.mcpserver import MCPServer


def add_prompts(server: MCPServer[Any]) -> None:
    """Has the server offer them."""
    server.prompt()(mend_my_run)


def mend_my_run(job: str) -> str:
    """Find out why a run is bad, and train a better one."""
    return (
        f"Job {job} of traind does not do as well as it should. Call diagnose_job and tell me in "
        "two sentences what is wrong and which measurement shows it. If there is a suggestion, say "
        "what it changes, call apply_suggestion, and wait_for_job until the new job has ended. "
        "If both jobs made a model, call compare_models with the old one as a. Tell me both "
        "accuracies and whether the new job is better. Promote nothing without asking me."
    )
