"""Declares attributes and names in COLLECTED_FILE, as an operator does, and makes them active."""

from pathlib import Path

from pytest_django import Settings

from consent.policies import activation, publishing

MORE = """
[[attribute]]
name = "colour_scheme"
type = "choice"
values = ["light", "dark"]
tier = "detailed"
purpose = "Colour scheme"
why = "To know whether dark mode is used."
example = "dark"
"""
PAIRING = """
[events]
names = ["paired"]
[endpoints]
templates = ["/pair/{code}"]
"""


def declare(settings: Settings, directory: Path, content: str) -> Path:
    """Write the operator's file. Nothing has read it yet."""
    path = directory / "more.toml"
    path.write_text(content)
    settings.COLLECTED_FILE = str(path)
    return path


def collect(settings: Settings, directory: Path, content: str) -> Path:
    """Write the operator's file and make it active, by publishing a policy version if more is collected."""
    path = declare(settings, directory, content)
    try:
        activation.bring_in(actor="tests")
    except activation.NotPublished:
        publishing.publish(actor="tests")
    return path
