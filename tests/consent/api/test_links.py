"""Links to a person's own page: how long they are valid, and what is not a link."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core import signing
from django.core.management import CommandError, call_command
from pytest_django import Settings

from consent.api.links import LONGEST, VALID, Link, duration, epoch_of, full_address, make_link, read_link

pytestmark = pytest.mark.django_db

USER = "a" * 32
NOW = datetime(2026, 11, 20, 12, 0, 0, 999, tzinfo=UTC)
END = datetime(2026, 11, 20, 13, tzinfo=UTC)


def token(path: str) -> str:
    return path.removeprefix("/privacy/mine/").rstrip("/")


def test_a_link_ends_at_its_very_moment() -> None:
    path, until = make_link(USER, valid=timedelta(hours=1), now=NOW)
    assert until == END
    assert read_link(token(path), now=END - timedelta(microseconds=1)) == Link(USER, END, epoch_of(USER), 0)
    assert read_link(token(path), now=END) is None


def test_a_link_is_valid_for_a_week_unless_something_else_is_said() -> None:
    _, until = make_link(USER, now=NOW)
    assert until - NOW.replace(microsecond=0) == VALID == timedelta(days=7)


def test_a_link_that_was_changed_or_signed_for_something_else_is_none() -> None:
    valid = token(make_link(USER, now=NOW)[0])
    until = int(NOW.timestamp()) + 60
    elsewhere = (
        signing.Signer(salt="elsewhere").sign_object([USER, until, epoch_of(USER), 0]).replace(":", "~")
    )
    no_pseudonym = (
        signing.Signer(salt="consent.link")
        .sign_object(["jane", until, epoch_of("jane"), 0])
        .replace(":", "~")
    )
    for forged in ("", "~", valid[:-1], "x" + valid, valid.replace("~", "~x"), elsewhere, no_pseudonym):
        assert read_link(forged, now=NOW) is None
    assert ":" not in valid


@pytest.mark.parametrize(
    ("text", "valid"),
    [("30d", LONGEST), ("720h", LONGEST), ("1m", timedelta(minutes=1)), (" 12h ", timedelta(hours=12))],
)
def test_how_long_a_link_may_be_valid(text: str, valid: timedelta) -> None:
    assert duration(text) == valid


@pytest.mark.parametrize("text", ["31d", "721h", "0m", "1s", "1.5h", "h", "123456m", "7 d", "-7d"])
def test_how_long_it_may_not(text: str) -> None:
    with pytest.raises(ValueError, match="at most 30d"):
        duration(text)


def test_a_link_begins_with_the_public_address_where_there_is_one(settings: Settings) -> None:
    settings.PUBLIC_URL = ""
    assert full_address("/x/", "http://here:8000/") == "http://here:8000/x/"
    settings.PUBLIC_URL = "https://telemetry.example.com"
    assert full_address("/x/", "http://here:8000/") == "https://telemetry.example.com/x/"


def test_the_command_prints_the_address_at_which_up_answers(
    capsys: pytest.CaptureFixture[str], settings: Settings, tmp_path: Path
) -> None:
    """An instance without `PUBLIC_URL` may have any port; where nothing is known, nothing is made up."""
    settings.PUBLIC_URL, settings.DATA_DIR = "", tmp_path
    with pytest.raises(CommandError, match="set PUBLIC_URL"):
        call_command("consent_link", user="jane")
    (tmp_path / "address").write_text("http://127.0.0.1:8123\n")
    call_command("consent_link", user="jane")
    assert capsys.readouterr().out.startswith("http://127.0.0.1:8123/privacy/mine/")


def test_the_command_prints_the_link_and_not_the_id(
    capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://telemetry.example.com"
    call_command("consent_link", user=" jane ", valid="1h")
    printed = capsys.readouterr().out.strip()
    assert "jane" not in printed
    assert read_link(printed.rsplit("/", 2)[1]) is not None
    with pytest.raises(CommandError, match="--user"):
        call_command("consent_link", user=" ")
    with pytest.raises(CommandError, match="--valid"):
        call_command("consent_link", user="jane", valid="31d")
