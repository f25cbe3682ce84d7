"""The check that no registry declares the name of an id."""

from pathlib import Path

import pytest
from pytest_django import Settings

from consent.registry.registry import current_registry
from ingest.checks import no_id_is_declared
from ingest.mapping import aliases
from tests.support.declaring import MORE, declare

ALSO = 'also = ["session_id"]\ntype = "choice"'


def test_our_registry_declares_no_id() -> None:
    assert no_id_is_declared() == []


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (MORE.replace('name = "colour_scheme"', 'name = "identity"'), "identity"),
        (MORE.replace('type = "choice"', ALSO), "session_id"),
    ],
)
def test_a_declared_id_is_warned_of(settings: Settings, tmp_path: Path, content: str, name: str) -> None:
    declare(settings, tmp_path, content)
    (warning,) = no_id_is_declared()
    assert (warning.id, f"“{name}”" in warning.msg) == ("ingest.W001", True)


def test_a_registry_that_cannot_be_read_is_another_checks_affair(settings: Settings, tmp_path: Path) -> None:
    declare(settings, tmp_path, "[[")
    assert no_id_is_declared() == []


def test_what_is_both_read_and_declared_is_known() -> None:
    """Each of these is read by ingest and also stored as declared. Think before you add one."""
    assert aliases.READ & current_registry().names.keys() == {
        *("deployment.environment", "deployment.environment.name", "deployment_type"),
        *("duration_ms", "exception.type", "page.path"),
    }
