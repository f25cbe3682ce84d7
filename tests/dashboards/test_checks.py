"""A report that is only in the catalogue: the check names every other place that must know it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from analytics.reports import catalogue
from dashboards import checks


def test_the_reports_we_have_are_complete() -> None:
    assert checks.reports_are_complete() == []


def test_what_a_new_report_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    new = replace(catalogue.FEATURES, name="surveys", page="surveys", definitions=("dau", "survey"))
    monkeypatch.setattr(checks, "REPORTS", (*catalogue.REPORTS, new))
    errors = checks.reports_are_complete()
    assert [error.id for error in errors] == ["candid.E030"] * 4
    assert [error.msg.removeprefix("The report “surveys” ") for error in errors] == [
        "has no export.",
        "has no page.",
        "is not in the navigation.",
        "has no definition of “survey”.",
    ]


def test_no_module_shows_an_exact_report() -> None:
    """Who counts a report here also suppresses it; those of the catalogue come through `shown`."""
    for path in Path(checks.__file__).parent.rglob("*.py"):
        text = path.read_text()
        for name in re.findall(r"import .*?\b(\w+)_report\b", text):
            assert f"suppress_{name}(" in text, f"{path} counts {name}_report and does not suppress it"
