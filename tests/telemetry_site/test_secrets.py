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


def test_the_sentence_about_a_short_key_of_pseudonyms_has_a_way_out_that_loses_no_decision() -> None:
    said = refusal("check", **GOOD | {"ID_HASH_KEY": "x" * 20})
    assert "keep it, with KEEP_SHORT_KEYS=ID_HASH_KEY, if it has 16 characters" in said
    assert "docs/privacy.md" in said
    assert "KEEP_SHORT_KEYS" not in refusal("check", **GOOD | {"OPERATOR_TOKEN": "x" * 20})


@pytest.mark.parametrize(
    ("name", "characters", "kept", "refused"),
    [
        ("ID_HASH_KEY", 16, "ID_HASH_KEY", ""),
        ("ID_HASH_KEY", 15, "ID_HASH_KEY", "ID_HASH_KEY has 15 characters; it needs 16."),
        ("CONSENT_LOG_KEY", 31, "ID_HASH_KEY,CONSENT_LOG_KEY", ""),
        ("ID_HASH_KEY", 31, "CONSENT_LOG_KEY", "ID_HASH_KEY has 31 characters; it needs 32."),
        ("SECRET_KEY", 31, "SECRET_KEY", "SECRET_KEY has 31 characters; it needs 32."),
    ],
)
def test_a_short_key_that_is_in_use_may_be_kept_by_name(
    name: str, characters: int, kept: str, refused: str
) -> None:
    said = refusal("check", **GOOD | {name: "x" * characters, "KEEP_SHORT_KEYS": kept})
    assert refused in said
    assert bool(said) == bool(refused)


def test_check_deploy_warns_of_a_short_key_that_is_kept() -> None:
    variables = {"ID_HASH_KEY": "x" * 16, "KEEP_SHORT_KEYS": "ID_HASH_KEY", "TRUSTED_PROXIES": "10.0.0.5"}
    checked = manage("check", "--deploy", **ADDRESSES, **GOOD | variables)
    assert "(candid.W043) ID_HASH_KEY is shorter than 32 characters, and kept" in checked.stderr


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
