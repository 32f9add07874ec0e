"""The rules of the house as functions: source text in, what breaks the rule out (empty when all is well)."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

ROOMS = (
    *("core", "media", "faces", "clips", "models", "engines", "data", "evaluation", "training"),
    *("report", "analysis", "scale", "agreement", "studies", "explain", "serve", "cli"),
)
"""Top to bottom of docs/tour.md: a room imports itself and those before it."""

FORBIDDEN_IMPORTS = {
    **dict.fromkeys(("torchvision", "timm", "facenet_pytorch", "ultralytics"), "needs torchvision"),
    **dict.fromkeys(("tensorflow", "keras", "mediapipe", "decord"), "no dependency of mien"),
    "random": "unseeded by nature; use numpy.random.default_rng(seed)",
    "tempfile": "mien writes to the output folder and the cache only",
    "pickle.load": "runs code from files",
}
PLACES_OF_OTHERS = {("Path", "home"), ("Path", "cwd"), ("os", "getcwd"), ("os", "chdir"), ("os", "makedirs")}
"""Calls that lead out of the output folder and the cache; core/settings.py alone may ask for the home folder."""
MOST_MODULE_LINES, MOST_FUNCTION_LINES = 400, 80

Function = ast.FunctionDef | ast.AsyncFunctionDef


def upward_imports(source: str, room: str) -> list[str]:
    """Imports of rooms that come after ``room``."""
    allowed = ROOMS[: ROOMS.index(room) + 1]
    names = [name.split(".")[1] for name in imported(source) if name.startswith("mien.")]
    return [f"{room} imports {name}" for name in names if name in ROOMS and name not in allowed]


def circle(sources: Mapping[str, str]) -> list[str]:
    """Modules that import each other in a ring, wherever the imports stand, those for types alone too.

    Args:
        sources: text by dotted name; a package's is that of its ``__init__``.
    """
    graph = {name: {_module(one, sources) for one in imported(text)} - {name, ""} for name, text in sources.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        ring: list[str] = error.args[1]
        return ring
    return []


def _module(name: str, known: Mapping[str, str]) -> str:
    """The module that an imported name lies in; empty where it is none of ours."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name


def forbidden_imports(source: str) -> list[str]:
    """Imports that nothing in mien may have, wherever they stand."""
    found = []
    for name in imported(source):
        for banned, why in FORBIDDEN_IMPORTS.items():
            if name == banned or name.startswith(f"{banned}."):
                found.append(f"{name}: {why}")
    return found


def imported(source: str) -> Iterator[str]:
    """Every imported name in full: ``from a import b`` gives ``a.b``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def too_long(source: str) -> list[str]:
    """The module, or functions in it, with too many lines."""
    lines = source.count("\n") + 1
    found = [f"module of {lines} lines"] if lines > MOST_MODULE_LINES else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Function) and (node.end_lineno or 0) - node.lineno + 1 > MOST_FUNCTION_LINES:
            found.append(f"{node.name} is longer than {MOST_FUNCTION_LINES} lines")
    return found


def undocumented(source: str) -> list[str]:
    """The module, and public classes and functions in it, without a docstring."""
    tree = ast.parse(source)
    found = [] if ast.get_docstring(tree) else ["the module"]
    return found + [name for name, node in _public(tree) if not ast.get_docstring(node) and not _is_dunder(node)]


def untyped(source: str) -> list[str]:
    """Public functions with an argument or an answer that has no annotation."""
    found = []
    for name, node in _public(ast.parse(source)):
        if not isinstance(node, Function):
            continue
        spec = node.args
        arguments = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, *filter(None, (spec.vararg, spec.kwarg))]
        bare = [one.arg for one in arguments if one.annotation is None and one.arg not in ("self", "cls")]
        found += [f"{name}({argument})" for argument in bare]
        if node.returns is None:
            found.append(f"{name} -> ?")
    return found


def _public(
    tree: ast.Module | ast.ClassDef, prefix: str = ""
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and (not node.name.startswith("_") or _is_dunder(node)):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from _public(node, f"{node.name}.")


def _is_dunder(node: ast.AST) -> bool:
    return isinstance(node, Function) and node.name.startswith("__") and node.name.endswith("__")


def output_to_terminal(source: str) -> list[str]:
    """``print`` and the standard streams, which belong to the command line alone."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "input"):
            found.append(f"line {node.lineno}: {node.func.id}")
        if isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr") and _is_name(node.value, "sys"):
            found.append(f"line {node.lineno}: sys.{node.attr}")
    return found


def strays(source: str) -> list[str]:
    """Ways out of the output folder and the cache."""
    return [
        f"line {node.lineno}: {node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in PLACES_OF_OTHERS
    ]


def careless(source: str) -> list[str]:
    """Bare excepts, swallowed exceptions, and NumPy's random numbers without a seed."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                found.append(f"line {node.lineno}: bare except")
            elif _is_name(node.type, "Exception") and all(isinstance(step, ast.Pass) for step in node.body):
                found.append(f"line {node.lineno}: every error swallowed")
        if (
            isinstance(node, ast.Call)
            and ".random." in f".{ast.unparse(node.func)}"
            and "np." in ast.unparse(node.func)
        ):
            seeded = (
                node.func.attr in ("default_rng", "Generator", "SeedSequence")
                if isinstance(node.func, ast.Attribute)
                else False
            )
            if not (seeded and node.args):
                found.append(f"line {node.lineno}: {ast.unparse(node)} has no seed")
    return found


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


HEAVY = ("torch", "cv2", "av", "scipy", "sklearn")

LOADED = f"import sys; print(' '.join(sorted(set(sys.modules) & set({HEAVY!r}))))"
"""Program text that prints which heavy packages have been loaded."""
PYTHON = sys.executable
