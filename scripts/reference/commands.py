"""docs/reference/commands.md: what `traind` can be told, from typer's own objects."""

import ast
import inspect
from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer

from app.cli import app, exit_codes
from scripts.reference.markdown import code, link, page_of, table
from scripts.reference.schema_words import number

ABOUT = """\
`traind --help` and `traind COMMAND --help` show the same in a terminal, `traind --version` says
the version, and `traind --install-completion` makes the shell complete commands and options.
[The command line](../cli.md) says how it is used, and what programs can rely on."""
PLACEHOLDERS = {int: "N", float: "NUMBER", Path: "FILE", str: "TEXT"}
"""What stands for the value of an option, by its type."""

Command = Any
"""A command, a group of them or a parameter: typer has moved and renamed click's classes before."""


def page() -> str:
    """The commands as the help groups them, an overview first, and the exit codes."""
    groups: dict[str, list[tuple[str, Command]]] = {}
    for panel, name, command in _commands(typer.main.get_command(app)):
        groups.setdefault(panel, []).append((name, command))
    overview, blocks = [], []
    for panel, commands in groups.items():
        overview.append(f"**{link(panel, panel)}**")
        rows = [(link(code(name), name), _summary(command)) for name, command in commands]
        overview.append(table(["command", "what it does"], rows))
        blocks.append(f"## {panel}")
        for name, command in commands:
            blocks += _described(name, command)
    codes = [(code(str(value)), meaning) for value, meaning in _exit_codes()]
    return page_of(
        "Commands",
        ABOUT,
        *overview,
        "## Exit codes",
        "Every command ends with one of these.",
        table(["exit code", "meaning"], codes),
        *blocks,
    )


def _summary(command: Command) -> str:
    summary: str = command.help.partition("\n\n")[0]
    return summary


def _commands(
    group: Command, before: str = "traind", panel: str = ""
) -> Iterator[tuple[str, str, Command]]:
    """Panel, name and command, for each; a group is one, too, if it does something by itself."""
    for name, command in group.commands.items():
        shown = panel or command.rich_help_panel
        if not hasattr(command, "commands"):
            yield shown, f"{before} {name}", command
            continue
        if command.invoke_without_command:
            yield shown, f"{before} {name}", command
        yield from _commands(command, f"{before} {name}", shown)


def _described(name: str, command: Command) -> Iterator[str]:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    hints = _hints(command)
    usage = [name, *(["[OPTIONS]"] if options else []), *map(_usage, arguments)]
    yield f"### {name}"
    yield command.help
    yield f"Usage: {code(' '.join(usage))}"
    yield f"Example: {code(command.epilog.removeprefix('Example: '))}"
    if arguments:
        rows = [(code(_placeholder(each)), _how_many(each), each.help or "") for each in arguments]
        yield table(["argument", "how many", "meaning"], rows)
    if options:
        rows = [
            (_spelled(each, hints[each.name]), _default(each), _meaning(each, hints[each.name]))
            for each in options
        ]
        yield table(["option", "default", "meaning"], rows)


def _hints(command: Command) -> dict[str, Any]:
    """The annotation of each parameter: its type, and what typer was told of it."""
    return get_type_hints(inspect.unwrap(command.callback), include_extras=True)


def _type(hint: Any) -> type:
    """The type of a parameter's values, of a list that of its items."""
    inner = get_args(hint)
    kind: type = _type(inner[0]) if inner else hint
    return kind


def _placeholder(argument: Command) -> str:
    name: str = argument.metavar or argument.name.upper()
    return name.removesuffix("...")


def _usage(argument: Command) -> str:
    more = "..." if argument.nargs == -1 else ""
    shown = _placeholder(argument) + more
    return shown if argument.required else f"[{shown}]"


def _how_many(argument: Command) -> str:
    if argument.nargs == -1:
        return "one or more" if argument.required else "any number"
    return "one" if argument.required else "one or none"


def _spelled(option: Command, hint: Any) -> str:
    """The option as it is written, with what stands for its value."""
    kind = _type(hint)
    spellings = [*option.opts, *option.secondary_opts]
    if kind is bool:
        return ", ".join(map(code, spellings))
    value = option.metavar or ("|".join(kind) if issubclass(kind, StrEnum) else PLACEHOLDERS[kind])
    return ", ".join(code(f"{each} {value}") for each in spellings)


def _default(option: Command) -> str:
    if option.required:
        return "required"
    if isinstance(option.default, bool):
        spelled = option.opts if option.default else option.secondary_opts
        return code(spelled[0]) if option.secondary_opts else "off"
    return "" if option.default is None else code(str(option.default))


def _meaning(option: Command, hint: Any) -> str:
    """What the option does, its limits, and the variable that may say it instead."""
    low, high = hint.__metadata__[0].min, hint.__metadata__[0].max
    limits = ""
    if low is not None:
        limits = f" At least {number(low)}." if high is None else f" {low} to {high}."
    variable = f" Or the variable {code(option.envvar)}." if option.envvar else ""
    return f"{option.help}{limits}{variable}"


def _exit_codes() -> Iterator[tuple[int, str]]:
    """Each code with the docstring below it, which Python does not keep: the source is read."""
    for line, docstring in pairwise(ast.parse(inspect.getsource(exit_codes)).body):
        if isinstance(line, ast.Assign) and isinstance(docstring, ast.Expr):
            yield ast.literal_eval(line.value), ast.literal_eval(docstring.value)
