"""The floors of the design hold: imports run downward only, and frameworks stay where they belong.

What is asked of the source is asked of all of it, by reading it: imports inside functions count,
too, but for the question what a process loads when it starts.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "daemon"
PACKAGE = "atelierd"

#: From the top down. Each part imports from floors below its own; parts of one floor do not know
#: each other. The last floor imports nothing of atelierd's.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("service",),
    ("draining", "plans", "reloading"),
    ("announcer", "backups", "housekeeping", "executors"),
    ("cluster",),
    ("dispatch",),
    ("web", "sharecheck"),
    ("render", "inbox", "outbox", "notify", "configreference", "units"),
    ("engines", "images", "jobs", "ledger", "share"),
    ("settings",),
    (
        *("weights", "yamldoc", "address", "notifysettings", "schedulesettings"),
        "clustersettings",
    ),
    (
        *("complaints", "worldfaults", "yamlwords", "durable", "configvalues", "schedule"),
        *("lifeline", "stopwait"),
    ),
    (
        *("allocator", "errors", "events", "exits", "expectations", "failpoints", "wording"),
        *("logfacts", "patience", "signals", "systemd", "trouble", "__version__"),
    ),
)

#: Frameworks, and the only folders whose files may import them when they are imported themselves.
HEAVY = {
    "torch": ("engines/torch", "weights/formats/torch_file.py"),
    "scipy": ("render/minimizers/lbfgsb.py",),
    "cntk": ("engines/cntk/server.py",),
    "distributed": ("cluster", "cli/preload.py"),
    "dask": ("cluster",),
    "cryptography": ("cluster/certificates.py",),
    "h5py": ("weights/formats",),
    "onnx": ("weights/formats",),
    "safetensors": ("weights/formats",),
}
MOST_LINES = 400

FILES = sorted((ROOT / PACKAGE).rglob("*.py"))


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file): file for file in FILES}


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imported(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """Give the full name of everything that is imported; names in a package may be modules."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they lead"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Give the nodes that run when a module is imported: all but those in functions."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield child
            yield from at_import(child)


def own_modules(file: Path) -> set[str]:
    """Return the modules of atelierd's own that a file imports, wherever in it."""
    found = set()
    for name in imported(ast.walk(tree(file))):
        if name.split(".")[0] == PACKAGE:
            while name not in MODULES:
                name = name.rpartition(".")[0]
            found.add(name)
    return found


def part_of(module: str) -> str:
    """Return the part of atelierd that a module belongs to: a package or a single file."""
    return [*module.split("."), "__version__"][1]


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_imports_run_downward_only(file: Path) -> None:
    height = {part: floor for floor, parts in enumerate(reversed(FLOORS)) for part in parts}
    here = part_of(module_of(file))
    assert here in height, f"say in FLOORS on which floor {here} stands"
    for module in own_modules(file):
        there = part_of(module)
        assert there in height, f"say in FLOORS on which floor {there} stands"
        assert here == there or height[here] > height[there], f"{here} imports {module}"


def test_no_import_runs_in_a_circle() -> None:
    graph = {module: own_modules(file) - {module} for module, file in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_frameworks_are_imported_only_where_they_belong(file: Path) -> None:
    place = file.relative_to(ROOT / PACKAGE).as_posix()
    for name in imported(at_import(tree(file))):
        allowed = HEAVY.get(name.split(".")[0])
        assert allowed is None or place.startswith(allowed), f"{place} imports {name}"


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_a_file_is_one_idea_and_not_too_long(file: Path) -> None:
    if file.name == "server.py" and file.parent.name == "cntk":
        return  # one file on purpose: it is handed to an interpreter that has no atelierd
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MOST_LINES
