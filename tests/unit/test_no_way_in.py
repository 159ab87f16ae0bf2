"""What no line of the product does, by its syntax trees."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.main import create_app

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "app").rglob("*.py"), *(ROOT / "worker").rglob("*.py")])
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle"}
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load"}
CALLS |= {"yaml.load", "tempfile.mktemp", "subprocess.getoutput", "torch.hub.load"}
CALLS |= {"torch.jit.load", "runpy.run_path", "os.execv", "os.execvp"}
NETWORK = {"httpx", "requests", "urllib.request", "aiohttp", "ftplib", "http.client", "socket"}
"""What could follow an address that a client has sent; the routes and the store need none."""


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def faults(source: str, *, is_inner: bool = False) -> list[str]:
    """The forbidden things in a source; `is_inner`: in the routes, the store and serving."""
    tree = ast.parse(source)
    found = []
    for name in imported(tree):
        if name.split(".")[0] in MODULES or name in CALLS:
            found.append(f"import {name}")
        if is_inner and (name in NETWORK or name.split(".")[0] in NETWORK):
            found.append(f"import {name}")
    names = {
        alias.asname: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.asname
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        first, dot, rest = ast.unparse(node.func).partition(".")
        called = names.get(first, first) + dot + rest
        options = {each.arg: ast.unparse(each.value) for each in node.keywords}
        reads_tensors = called == "torch.load" and options.get("weights_only") == "True"
        if called in CALLS and not reads_tensors:
            found.append(f"{called}()")
        found += [f"{called}({name}=...)" for name in ("shell", "allow_pickle") if name in options]
        if is_inner and called in {"open", "io.open"}:
            found.append(f"{called}()")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_source_has_a_way_in(file: Path) -> None:
    is_inner = file.relative_to(ROOT).parts[:2] in {
        ("app", name) for name in ("api", "serving", "store")
    }
    assert faults(file.read_text(), is_inner=is_inner) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "eval(text)",
        "import torch\ntorch.load(file)",
        "import torch as t\nt.load(file)",
        "import torch\ntorch.load(file, weights_only=False)",
        "from torch import load\nload(file)",
        "import subprocess\nsubprocess.run(command, shell=True)",
        "import numpy as np\nnp.load(file, allow_pickle=True)",
        "import httpx",
        "open(name)",
    ],
)
def test_the_search_finds_what_it_looks_for(source: str) -> None:
    assert faults(source, is_inner=True)


def test_no_client_may_name_a_path_or_an_address() -> None:
    description = create_app().openapi()
    names, formats = set(), set()

    def walk(node: object) -> None:
        if isinstance(node, dict):
            names.update(node.get("properties", {}))
            formats.add(node.get("format"))
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    for operations in description["paths"].values():
        for operation in operations.values():
            walk(operation.get("requestBody", {}))
            names.update(each["name"] for each in operation.get("parameters", []))
    walk(description["components"]["schemas"]["JobSpec"])
    assert not formats & {"uri", "url", "path", "file-path", "directory-path"}
    assert not {name for name in names if {"path", "url", "uri", "file"} & set(name.split("_"))}
