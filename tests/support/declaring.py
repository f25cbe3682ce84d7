"""What a deployer declares beside our own file, and how it comes to hold."""

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
    """The deployer's file, which says this; nothing has read it yet."""
    path = directory / "more.toml"
    path.write_text(content)
    settings.COLLECTED_FILE = str(path)
    return path


def collect(settings: Settings, directory: Path, content: str) -> Path:
    """The same, active: published where more is collected."""
    path = declare(settings, directory, content)
    try:
        activation.bring_in(actor="tests")
    except activation.NotPublished:
        publishing.publish(actor="tests")
    return path
