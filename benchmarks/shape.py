"""`python -m benchmarks.shape`: how long files and functions are, and how tangled.

It measures the packages and `manage.py`, without migrations. All lines of a file or function count,
docstrings and decorators included. Complexity is McCabe's, as ruff counts it (C901). Exits with 1 if a limit
is exceeded.
"""

import ast
import json
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("postgres", "consent", "analytics", "ingest", "dashboards", "telemetry_site")
COMPLEXITY = re.compile(r"`(?P<name>\S+)` is too complex \((?P<complexity>\d+) > \d+\)")


class Measured(NamedTuple):
    """Something with a size, and where it is."""

    size: int
    place: str


class Limit(NamedTuple):
    what: str
    figure: float
    limit: float
    at: str = ""


def sources() -> list[Path]:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return [ROOT / "manage.py", *sorted(path for path in files if "migrations" not in path.parts)]


def file_lengths() -> list[Measured]:
    """The lengths of files that are not empty: an `__init__.py` that only marks a package does not count."""
    lengths = [
        Measured(len(path.read_text().splitlines()), str(path.relative_to(ROOT))) for path in sources()
    ]
    return sorted(length for length in lengths if length.size > 1)


def function_lengths() -> list[Measured]:
    return sorted(length for path in sources() for length in _functions(path))


def _functions(path: Path) -> Iterator[Measured]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield Measured(node.end_lineno - first + 1, f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")


def complexities(above: int) -> list[Measured]:
    """The complexity of each function that is more complex than `above`."""
    found = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--select", "C901", "--output-format", "json", "--exit-zero",
         "--config", f"lint.mccabe.max-complexity={above}", *map(str, sources())],
        check=True, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    measured = []
    for finding in json.loads(found.stdout):
        if match := COMPLEXITY.search(finding["message"]):
            place = Path(finding["filename"]).relative_to(ROOT)
            line = finding["location"]["row"]
            measured.append(Measured(int(match["complexity"]), f"{place}:{line} {match['name']}"))
    return sorted(measured)


def html_lines() -> list[Measured]:
    return sorted(
        Measured(len(line), f"{path.relative_to(ROOT)}:{number}")
        for path in (ROOT / "templates").rglob("*.html")
        for number, line in enumerate(path.read_text().splitlines(), 1)
    )


def percentile(lengths: list[Measured], share: float) -> Measured:
    return lengths[min(len(lengths) - 1, int(len(lengths) * share))]


def limits() -> list[Limit]:
    files, functions, html = file_lengths(), function_lengths(), html_lines()
    complex_ones = complexities(10)
    most = complex_ones[-1] if complex_ones else Measured(10, "")
    return [
        Limit("lines of a file, median", statistics.median(length.size for length in files), 90),
        Limit("lines of a file, at most", files[-1].size, 400, files[-1].place),
        Limit("lines of a function, p90", percentile(functions, 0.9).size, 20),
        Limit("lines of a function, at most", functions[-1].size, 50, functions[-1].place),
        Limit("complexity of a function, at most", most.size, 15, most.place),
        Limit("functions with a complexity above 10", len(complex_ones), 39),
        Limit("characters of a line of HTML, at most", html[-1].size, 120, html[-1].place),
    ]


def main() -> int:
    table = Table("What", "Figure", "Limit", "Where", box=None)
    measured = limits()
    for what, figure, limit, at in measured:
        mark = "" if figure <= limit else "  ← too much"
        table.add_row(what, f"{figure:g}", f"{limit:g}", at + mark)
    Console().print(table)
    return int(any(figure > limit for _, figure, limit, _ in measured))


if __name__ == "__main__":
    sys.exit(main())
