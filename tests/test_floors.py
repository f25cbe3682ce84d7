"""Floors and rooms: imports run downstairs only, also inside functions and by dotted name."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MOST_AT_A_TOP = 12  # modules that stand at the top of a floor, outside of its rooms

# From the ground up. Each floor's rooms are listed from the ground up, too: a room imports only from rooms
# before it. A module belongs to the room with the longest name that fits it. A module at a floor's top is
# listed by itself. docs/map.md says what each room is for.
ROOMS = {
    "postgres": [
        "errors", "instants", "locks", "binary", "conversation", "pipeline", "timeouts",
    ],
    "consent": [
        "models", "pseudonyms", "keys", "gate", "registry", "policies", "decisions", "api", "admin",
        "management",
    ],
    "analytics": [
        "router", "report_days", "small_groups", "partitions", "models", "jobs",
        "rollups", "rollups.building", "rollups.reading", "rollups.sealing",
        "storage", "erasure", "reports", "reports.suppression", "reports.catalogue", "self_check",
        "heartbeats", "customers", "access", "demo", "admin", "tasks", "urls", "management",
    ],
    "ingest": [
        "reasons", "models", "otlp", "sentry", "mapping", "traffic", "load", "receive", "errors",
        "dry_run", "http", "grpc", "customers", "admin", "checks", "tasks", "urls",
    ],
    "dashboards": [
        "access", "numbers", "known_browsers", "sign_in",
        "charts", "tables", "layout", "api", "views", "checks",
        "templatetags", "urls", "management",
    ],
    "telemetry_site": [
        "embedded", "groups", "health", "log_lines", "metrics", "middleware", "checks", "start", "demo",
        "urls", "settings",
        "celery", "server", "wsgi", "management",
    ],
}  # fmt: skip
FLOORS = list(ROOMS)
NOT_ROOMS = {"apps", "migrations"}
DOTTED = re.compile(rf"(?:{'|'.join(FLOORS)})(?:\.\w+)+")
NAMES_OF_DJANGO = {"Meta", "Command"}


def modules(floor: str) -> list[Path]:
    paths = (path for path in (ROOT / floor).rglob("*.py") if not NOT_ROOMS & set(parts(path)))
    return sorted(path for path in paths if path != ROOT / floor / "__init__.py")


def parts(path: Path) -> list[str]:
    return [part for part in path.relative_to(ROOT).with_suffix("").parts if part != "__init__"]


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything that a module imports or names in a string."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import hides its floor"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and DOTTED.fullmatch(node.value):
            yield node.lineno, node.value


def room(dotted: list[str]) -> str:
    """The room of a module or of a name in one; '' for the floor itself and what belongs to no room."""
    floor, *rest = dotted
    names = (".".join(rest[:length]) for length in range(len(rest), 0, -1))
    return next((name for name in names if name in ROOMS[floor]), "")


def upward(floor: str) -> list[str]:
    """What is imported from a floor above, or from a room above on the same floor."""
    above = FLOORS[FLOORS.index(floor) + 1 :]
    wrong = []
    for path in modules(floor):
        here = room(parts(path))
        for line, name in imported(path):
            target = name.split(".")
            there = room(target) if target[0] == floor else ""
            if target[0] in above or (there and is_above(floor, there, here)):
                wrong.append(f"{path.relative_to(ROOT)}:{line} needs {name}")
    return wrong


def is_above(floor: str, there: str, here: str) -> bool:
    return bool(here) and ROOMS[floor].index(there) > ROOMS[floor].index(here)


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_run_downstairs_only(floor: str) -> None:
    assert modules(floor)
    assert upward(floor) == []


@pytest.mark.parametrize("floor", FLOORS)
def test_every_module_is_in_a_room_of_the_list(floor: str) -> None:
    assert [str(path.relative_to(ROOT)) for path in modules(floor) if not room(parts(path))] == []
    at_the_top = [path for path in modules(floor) if len(parts(path)) == 2 and path.name != "__init__.py"]
    assert len(at_the_top) <= MOST_AT_A_TOP


@pytest.mark.parametrize("floor", FLOORS)
def test_the_list_names_no_room_that_is_not_there(floor: str) -> None:
    assert {room(parts(path)) for path in modules(floor)} == set(ROOMS[floor])


def test_no_two_classes_share_a_name() -> None:
    """Somebody who looks for a class finds one. Django's own names, as `Meta`, stand in many."""
    places = defaultdict(set)
    for floor in FLOORS:
        for path in modules(floor):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef) and node.name not in NAMES_OF_DJANGO:
                    places[node.name].add(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


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
        (2, "dashboards.views"),
        (4, "analytics.storage.store.store"),
        (5, "ingest.urls"),
    ]


def test_what_tests_need_stands_in_tests() -> None:
    """Benchmarks may import from tests/support, never the other way round."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line} needs {name}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if "benchmarks" in path.read_text()
        for line, name in imported(path)
        if name.startswith("benchmarks")
    ]
    assert wrong == []
