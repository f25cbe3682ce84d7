"""The five floors: imports run downstairs only, also inside functions and by dotted name."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = ["consent", "analytics", "ingest", "dashboards", "telemetry_site"]  # from the ground up
DOTTED = re.compile(rf"(?:{'|'.join(FLOORS)})(?:\.\w+)+")


def modules(app: str) -> list[Path]:
    return sorted((ROOT / app).rglob("*.py"))


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything that a module imports or names in a string."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import hides its floor"
            yield node.lineno, node.module or ""
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and DOTTED.fullmatch(node.value):
            yield node.lineno, node.value


def upward(app: str) -> list[str]:
    above = FLOORS[FLOORS.index(app) + 1 :]
    return [
        f"{path.relative_to(ROOT)}:{line} needs {name}"
        for path in modules(app)
        for line, name in imported(path)
        if name.split(".")[0] in above
    ]


@pytest.mark.parametrize("app", FLOORS)
def test_imports_run_downstairs_only(app: str) -> None:
    assert modules(app)
    assert upward(app) == []


def test_every_way_of_naming_a_module_is_seen(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        "import ingest.urls\n"
        "from dashboards import views\n"
        "def late():\n"
        "    from analytics.storage.store import store\n"
        "    include('ingest.urls')\n"
    )
    assert sorted(imported(module)) == [
        (1, "ingest.urls"),
        (2, "dashboards"),
        (4, "analytics.storage.store"),
        (5, "ingest.urls"),
    ]
