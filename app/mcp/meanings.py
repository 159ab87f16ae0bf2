"""What the codes of closed lists mean, as their own docstrings say it."""

import ast
import inspect
from enum import StrEnum
from itertools import pairwise


def meanings(codes: type[StrEnum]) -> dict[str, str]:
    """Each code with the docstring below it, which Python does not keep: the source is read."""
    found = {}
    source = ast.parse(inspect.getsource(codes))
    (definition,) = (part for part in source.body if isinstance(part, ast.ClassDef))
    for member, docstring in pairwise(definition.body):
        if isinstance(member, ast.Assign) and isinstance(docstring, ast.Expr):
            name = ast.unparse(member.targets[0])
            found[codes[name].value] = str(ast.literal_eval(docstring.value))
    return found
