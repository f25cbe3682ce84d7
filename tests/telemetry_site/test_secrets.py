"""Secrets that protect nothing are refused by every command, and each may come from a file."""

from pathlib import Path

import pytest

from tests.support.instances import manage

SECRETS = ("SECRET_KEY", "ID_HASH_KEY", "CONSENT_LOG_KEY", "OPERATOR_TOKEN")
ADDRESSES = {
    "DATABASE_URL": "postgres://x@127.0.0.1:1/x",
    "ANALYTICS_DATABASE_URL": "postgres://x@127.0.0.1:1/y",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}
GOOD = {
    name: f"{name.lower()}-of-this-test-0123456789-abcdefghij-{number}" for number, name in enumerate(SECRETS)
}


def refusal(command: str, **variables: str) -> str:
    """What a command says on the one line with which it refuses; '' if it does not."""
    ended = manage(command, **ADDRESSES, **{name: value for name, value in variables.items() if value})
    return ended.stderr.strip() if ended.returncode else ""


def test_good_secrets_pass() -> None:
    assert refusal("check", **GOOD) == ""


@pytest.mark.parametrize("command", ["check", "migrate"])
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_is_too_short_is_refused_by_name(name: str, command: str) -> None:
    said = refusal(command, **GOOD | {name: "x" * 31})
    assert said.startswith("Candid: candid.E041: ")
    assert f"{name} has 31 characters; it needs 32." in said
    assert "xxx" not in said
    assert len(said.splitlines()) == 1


def test_32_characters_are_enough() -> None:
    assert refusal("check", **GOOD | {"OPERATOR_TOKEN": "x" * 32}) == ""


@pytest.mark.parametrize(("name", "other"), [(one, two) for one in SECRETS for two in SECRETS if one < two])
def test_two_secrets_that_are_the_same_are_refused_by_name(name: str, other: str) -> None:
    said = refusal("check", **GOOD | {name: "y" * 40, other: "y" * 40})
    assert said.startswith("Candid: candid.E042: ")
    assert name in said
    assert other in said
    assert "yyy" not in said


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_come_from_a_file(name: str, tmp_path: Path) -> None:
    """The file's last line break is not part of it; what it holds is judged in the same way."""
    path = tmp_path / "secret"
    path.write_text("z" * 31 + "\n")
    said = refusal("check", **GOOD | {name: "", f"{name}_FILE": str(path)})
    assert f"{name} has 31 characters" in said
    path.write_text(GOOD[name] + "\n")
    assert refusal("check", **GOOD | {name: "", f"{name}_FILE": str(path)}) == ""


def test_a_file_that_cannot_be_read_or_a_secret_given_twice_is_refused_by_name(tmp_path: Path) -> None:
    missing = {"ID_HASH_KEY_FILE": str(tmp_path / "none")}
    said = refusal("check", **GOOD | missing | {"ID_HASH_KEY": ""})
    assert said.startswith("Candid: candid.E043: ID_HASH_KEY_FILE cannot be read")
    said = refusal("check", **GOOD | missing)
    assert said.startswith("Candid: candid.E043: ID_HASH_KEY and ID_HASH_KEY_FILE are both set")
