"""The two locks: what runs Candid, and what it is developed with. Production installs the first one only."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RUNNING, DEVELOPING = "requirements.lock", "requirements-dev.lock"
APPS = "tests/ingest/frameworks/requirements.lock"  # of tests: they are no part of Candid
FLOORS = ("postgres", "consent", "analytics", "ingest", "dashboards", "telemetry_site")


def pins(lock: str) -> dict[str, list[str]]:
    """Each pinned distribution, by name: its lines, one for each environment that it is pinned for."""
    found: dict[str, list[str]] = {}
    for block in re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip()):
        found.setdefault(canonical(re.split(r"[=\[ ;]", block)[0]), []).append(block)
    return found


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def wanted(extra: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return {canonical(re.split(r"[\[<>=; ]", line)[0]) for line in requirements}


def imported() -> Iterator[tuple[Path, str]]:
    """Each module of others that the code which runs imports, by its first name."""
    files = [ROOT / "manage.py", *(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))]
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for top in {name.split(".")[0] for name in names} - set(FLOORS) - set(sys.stdlib_module_names):
                yield path, top


def test_production_installs_nothing_that_only_development_needs() -> None:
    assert wanted("dev") & set(pins(RUNNING)) == set()
    assert (wanted("") | wanted("embedded")) - set(pins(RUNNING)) == set()


def test_what_runs_is_what_is_tested() -> None:
    """The same versions, with the same hashes, for the same platforms."""
    developing = pins(DEVELOPING)
    assert {name for name, lines in pins(RUNNING).items() if developing.get(name) != lines} == set()
    assert wanted("dev") - set(developing) == set()


@pytest.mark.parametrize("lock", [RUNNING, DEVELOPING, APPS])
def test_a_lock_has_hashes_and_no_addresses(lock: str) -> None:
    assert "://" not in (ROOT / lock).read_text()
    pinned = re.compile(r"[a-z0-9.-]+(\[[a-z,-]+\])?==\S+( ; .+?)?( \\\n    --hash=sha256:[0-9a-f]{64})+")
    blocks = [block for lines in pins(lock).values() for block in lines]
    assert [block for block in blocks if not pinned.fullmatch(block)] == []
    assert len(blocks) > 40


def test_everything_that_is_imported_is_in_the_lock_that_runs() -> None:
    distributions = packages_distributions()
    locked = set(pins(RUNNING))
    missing = [
        f"{path.relative_to(ROOT)}: {module}"
        for path, module in imported()
        if not {canonical(name) for name in distributions.get(module, [])} & locked
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("target", "lock"),
    [
        ("run", RUNNING),
        ("test", DEVELOPING),
        ("lint", DEVELOPING),
        ("bench", DEVELOPING),
        ("proofs", DEVELOPING),
    ],
)
def test_each_target_installs_the_lock_that_it_needs(target: str, lock: str) -> None:
    """On a machine where nothing is installed."""
    said = subprocess.run(
        ["make", "--dry-run", "--always-make", target], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert re.findall(r"--requirement (\S+)", said.stdout) == [lock]
