"""The files of others that we serve are those of their packages, unchanged."""

import hashlib
import json
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "dashboards" / "static" / "dashboards"
MANIFEST = json.loads((STATIC / "vendor" / "manifest.json").read_text())


@pytest.mark.parametrize("name", MANIFEST)
def test_a_vendored_file_has_the_digest_of_its_package(name: str) -> None:
    file = STATIC / "vendor" / name

    assert hashlib.sha256(file.read_bytes()).hexdigest() == MANIFEST[name]["sha256"]


def test_every_vendored_file_is_in_the_manifest() -> None:
    programs = {path.name for path in (STATIC / "vendor").iterdir() if path.suffix in {".js", ".css"}}

    assert programs == {name for name in MANIFEST if not name.startswith("..")}


def test_each_vendored_file_comes_with_its_licence() -> None:
    for entry in MANIFEST.values():
        assert (STATIC / "vendor" / entry["licence"].split(", ")[1]).is_file()


def test_our_script_turns_off_the_button_that_uploads_charts() -> None:
    script = (STATIC / "candid.js").read_text()

    assert "displayModeBar: false" in script
    assert 'plotlyServerURL: ""' in script
