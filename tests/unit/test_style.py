"""How the code looks, held by a machine: sizes, docstrings, folders without Python, a command line that loads little."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("sources", "streams", "catalog", "lakehouse")
MODULE_MEDIAN, MODULE_MOST = 120, 400
FUNCTION_P90, FUNCTION_MOST = 30, 80
# Slow to load, and of no use to a command that only explains itself.
HEAVY = ("polars", "pyarrow", "pyiceberg", "numba", "faust", "numpy", "confluent_kafka", "clickhouse_connect", "trino")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> dict[str, str]:
    """Our modules with something in them: path and source."""
    found = {path: path.read_text() for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}
    return {str(path.relative_to(ROOT)): text for path, text in found.items() if text.strip()}


def functions() -> dict[str, int]:
    """Every function, methods and inner ones too, with its lines."""
    return {
        f"{name}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for name, text in modules().items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, Function)
    }


def undocumented(body: list[ast.stmt]) -> Iterator[ast.ClassDef | Function]:
    """Public functions, classes and methods without a docstring."""
    for node in body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                yield node
            if isinstance(node, ast.ClassDef):
                yield from undocumented(node.body)


def test_modules_are_short() -> None:
    lines = {name: len(text.splitlines()) for name, text in modules().items()}
    assert {name: count for name, count in lines.items() if count > MODULE_MOST} == {}
    assert median(lines.values()) <= MODULE_MEDIAN


def test_functions_are_short() -> None:
    lines = functions()
    assert {name: count for name, count in lines.items() if count > FUNCTION_MOST} == {}
    assert quantiles(lines.values(), n=10)[-1] <= FUNCTION_P90


def test_every_module_and_public_name_says_what_it_does() -> None:
    silent = []
    for name, text in modules().items():
        tree = ast.parse(text)
        if not ast.get_docstring(tree):
            silent.append(name)
        silent += [f"{name}:{node.lineno} {node.name}" for node in undocumented(tree.body)]
    assert silent == []


@pytest.mark.parametrize("folder", ["trino", "clickhouse"])
def test_folders_of_sql_hold_no_python(folder: str) -> None:
    assert [path.name for path in (ROOT / folder).rglob("*.py")] == []


def test_packages_do_nothing_when_they_are_imported() -> None:
    inits = [ROOT / package / "__init__.py" for package in PACKAGES]
    assert [str(path) for path in inits if path.read_text().strip()] == []


def test_the_help_loads_nothing_heavy() -> None:
    script = (
        "import sys; from lakehouse.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        f"print('loaded:', *(name for name in {HEAVY!r} if name in sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert "Usage: lakehouse" in said
    assert said.splitlines()[-1] == "loaded:"


def test_the_import_rules_name_every_module_of_streams() -> None:
    """The rule that only the worker knows faust lists modules: a new one must be in it."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    listed = next(set(rule["source_modules"]) for rule in rules if rule.get("forbidden_modules") == ["faust"])
    modules_there = {f"streams.{path.stem}" for path in (ROOT / "streams").glob("*.py") if path.stem != "__init__"}
    assert modules_there - listed == set()
