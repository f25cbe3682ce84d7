"""The documentation keeps up with the code: what it names exists, links resolve, the map is complete."""

import re
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands, load_command_class

from analytics.jobs.timetable import all_jobs

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ("postgres", "consent", "analytics", "ingest", "dashboards", "telemetry_site")
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
FOLDERS = (*FLOORS, "templates", "tests", "benchmarks", "docs")
SOURCES = [
    path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".html"}
]
SETTING = re.compile(r"^(?:# )?([A-Z][A-Z_]+)=", re.MULTILINE)
QUOTED = re.compile(r"`([^`\n]+)`")
PLACE = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./-]*|[\w-]+\.(?:py|toml|txt|html|md)")
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def code() -> str:
    """All of the code and the settings' file, as one text."""
    more = [ROOT / name for name in (".env.example", "manage.py", "pyproject.toml", "docs/send-events.md")]
    return "\n".join(path.read_text() for path in [*SOURCES, *more])


# --- Settings and commands -------------------------------------------------------------------------
def test_every_setting_is_in_the_operators_table() -> None:
    table = (ROOT / "docs/operate.md").read_text().partition("## Settings")[2]
    named = re.findall(r"`([A-Z][A-Z_]+)`", table.partition("\n## ")[0])

    assert set(SETTING.findall((ROOT / ".env.example").read_text())) - set(named) == set()
    rows = re.findall(r"^\| (`[A-Z].*?) \|", table, re.MULTILINE)
    assert len(rows) == len(set(rows))


def test_every_setting_is_one_that_the_code_reads() -> None:
    read = set(
        re.findall(r'(?:env\.\w+|_secret)\(\s*"([A-Z_]+)"', (ROOT / "telemetry_site/settings.py").read_text())
    )

    assert set(SETTING.findall((ROOT / ".env.example").read_text())) == read - {"CANDID_EMBEDDED"}


def test_the_documented_options_of_up_exist() -> None:
    parser = load_command_class(get_commands()["up"], "up").create_parser("manage.py", "up")
    table = (ROOT / "docs/operate.md").read_text().partition("## The embedded servers")[0]
    options = re.findall(r"^\| `(--[a-z-]+)`", table, re.MULTILINE)

    assert len(options) > 4
    for option in options:
        assert option in parser.format_help()


def test_every_job_is_in_the_operators_table() -> None:
    table = (ROOT / "docs/operate.md").read_text().partition("## Jobs")[2].partition("\n## ")[0]

    assert set(re.findall(r"^\| `([a-z -]+)`", table, re.MULTILINE)) == {job.name for job in all_jobs()}


@every_page
def test_every_command_exists(page: Path) -> None:
    text = page.read_text()
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert set(re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE)) <= set(targets)
    assert set(re.findall(r"manage\.py ([a-z_]+)", text)) <= get_commands().keys()
    assert all(find_spec(module) for module in re.findall(r"python -m (benchmarks[\w.]*\w)", text))


@every_page
def test_every_name_in_capitals_is_one_that_the_code_knows(page: Path) -> None:
    names = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)[`=]", page.read_text()))

    assert {name for name in names if name not in code()} == set()


@pytest.mark.parametrize("page", ["README.md", "docs/development.md"])
def test_who_reads_of_speed_reads_what_was_sent(page: str) -> None:
    text = " ".join((ROOT / page).read_text().split())
    [users] = re.findall(r"^USERS = (\d+)$", (ROOT / "benchmarks/bodies.py").read_text(), re.MULTILINE)

    assert "one template" in text
    assert f"{users} users of one organization" in text


# --- Places ----------------------------------------------------------------------------------------
@every_page
def test_every_path_exists(page: Path) -> None:
    places = [quoted for quoted in QUOTED.findall(page.read_text()) if PLACE.fullmatch(quoted)]

    assert [place for place in places if not exists(place)] == []


def exists(place: str) -> bool:
    """Whether there is such a path; a bare name may be anywhere."""
    return (ROOT / place).exists() or ("/" not in place and any(True for _ in named(place)))


def named(name: str) -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (ROOT / folder).rglob(name)


def test_every_path_named_in_the_code_exists() -> None:
    files = [f"/{path.relative_to(ROOT)}" for folder in FOLDERS for path in (ROOT / folder).rglob("*.*")]
    quoted = re.compile(r"`([\w/-]+\.(?:py|toml|md|html|sql))`")
    named = {(path, name) for path in SOURCES for name in quoted.findall(path.read_text())}

    lost = [f"{path}: {name}" for path, name in named if not any(file.endswith(f"/{name}") for file in files)]
    assert [line for line in lost if not line.endswith(("manage.py", "<room>.toml"))] == []


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target, _, anchor in re.findall(r"\]\(([^)#]*)(#?)([^)]*)\)", page.read_text()):
        if "://" not in target:
            linked = (page.parent / target) if target else page
            assert linked.exists(), target
            assert not anchor or anchor in anchors(linked), f"{target}#{anchor}"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_map_shows_every_room_and_nothing_else() -> None:
    shown = re.findall(r"^\| `(\w+/\S+)` \|", (ROOT / "docs/map.md").read_text(), re.MULTILINE)

    assert len(shown) == len(set(shown))
    assert {one for one in shown if one.split("/")[0] in FLOORS} == {
        room for floor in FLOORS for room in rooms(floor)
    }


def rooms(floor: str) -> Iterator[str]:
    """The packages of a floor, and the modules at its top, but for those that Django looks for."""
    for path in (ROOT / floor).rglob("__init__.py"):
        room = path.parent.relative_to(ROOT)
        if len(room.parts) > 1 and not {"migrations", "management", "templatetags"} & set(room.parts):
            yield f"{room}/"
    yield from (
        str(path.relative_to(ROOT)) for path in (ROOT / floor).glob("[!_]*.py") if path.stem != "apps"
    )


# --- Words -----------------------------------------------------------------------------------------
def test_the_glossary_has_the_words_of_the_code() -> None:
    glossary, text = (ROOT / "docs/glossary.md").read_text(), code().lower()
    terms = [
        term
        for line in re.findall(r"^- (\*\*.+?):", glossary, re.MULTILINE)
        for term in re.findall(r"\*\*(.+?)\*\*", line)
    ]

    assert len(terms) > 50
    assert [term for term in terms if term.split("`")[0 if "`" not in term else 1].lower() not in text] == []
    for place, name in re.findall(r"`([\w/.]+)`\s\(`([\w.]+)`\)", glossary):
        files = [ROOT / place] if place.endswith(".py") else (ROOT / place).glob("*.py")
        assert any(name.rpartition(".")[2] in file.read_text() for file in files), name


def test_the_readme_fits_one_screen() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 66


def test_no_rebase_left_its_marks() -> None:
    """In a docstring or a page they break nothing, so only a reader would notice."""
    marks = re.compile(r"^(<{7}|>{7}) ", re.MULTILINE)

    assert [path for path in [*PAGES, *SOURCES] if marks.search(path.read_text())] == []


# --- Packaging -------------------------------------------------------------------------------------
def test_nothing_pretends_to_be_a_package() -> None:
    """Candid is run from a checkout: templates and `manage.py` are in no package."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert "build-system" not in pyproject
    assert "setuptools" not in pyproject["tool"]


def test_the_version_is_that_of_the_project() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == settings.VERSION
