"""The documentation keeps up with the code: settings, options, links, and the README's one screen."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SETTING = re.compile(r"^(?:# )?([A-Z][A-Z_]+)=", re.MULTILINE)


def test_every_setting_is_in_the_operators_table() -> None:
    table = (ROOT / "docs/operate.md").read_text().partition("## Settings")[2]
    named = set(re.findall(r"`([A-Z][A-Z_]+)`", table))
    wanted = set(SETTING.findall((ROOT / ".env.example").read_text()))

    assert wanted - named == set()


def test_every_setting_is_one_that_the_code_reads() -> None:
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', (ROOT / "telemetry_site/settings.py").read_text()))

    assert set(SETTING.findall((ROOT / ".env.example").read_text())) == read - {"CANDID_EMBEDDED"}


def test_the_documented_options_of_up_exist() -> None:
    parser = load_command_class(get_commands()["up"], "up").create_parser("manage.py", "up")
    table = (ROOT / "docs/operate.md").read_text().partition("## The embedded servers")[0]
    options = re.findall(r"^\| `(--[a-z-]+)`", table, re.MULTILINE)

    assert len(options) > 4
    for option in options:
        assert option in parser.format_help()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_readme_fits_one_screen() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 64
