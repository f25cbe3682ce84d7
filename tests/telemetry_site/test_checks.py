"""Settings that cannot work are refused, with an id and what to do."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import Error
from pytest_django import Settings

from telemetry_site import checks
from tests.support.instances import ROOT, environment, manage, place

ADDRESSES = {
    "DATABASE_URL": "postgres://x@127.0.0.1:1/x",
    "ANALYTICS_DATABASE_URL": "postgres://x@127.0.0.1:1/y",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}
KEYS = {"SECRET_KEY": "a-long-and-random-text-for-this-test-0123456789-abcdefghij", "ID_HASH_KEY": "b" * 50}
OPERATOR_TOKEN = "c" * 40


@pytest.mark.parametrize(("missing", "identifier"), [("SECRET_KEY", "E001"), ("ID_HASH_KEY", "E002")])
def test_a_production_start_without_a_key_is_refused(missing: str, identifier: str) -> None:
    variables = ADDRESSES | KEYS
    del variables[missing]
    refused = manage("migrate", **variables)
    assert refused.returncode == 1
    [sentence] = refused.stderr.splitlines()
    assert sentence.startswith(f"Candid: candid.{identifier}: {missing} is not set")
    assert "Set it to a long random text" in sentence


@pytest.mark.parametrize("public_url", ["", "https://telemetry.example.com"])
def test_check_deploy_is_clean_in_production(public_url: str) -> None:
    checked = manage(
        "check",
        "--deploy",
        "--fail-level",
        "WARNING",
        PUBLIC_URL=public_url,
        TRUSTED_PROXIES="10.0.0.5",
        OPERATOR_TOKEN=OPERATOR_TOKEN,
        **ADDRESSES,
        **KEYS,
    )
    assert checked.returncode == 0
    assert "identified no issues" in checked.stderr + checked.stdout


@pytest.mark.parametrize(
    ("public_url", "warned"), [("", True), ("https://a.example", True), ("http://a", False)]
)
def test_check_deploy_says_that_https_needs_a_proxy_to_believe(public_url: str, warned: bool) -> None:
    checked = manage("check", "--deploy", PUBLIC_URL=public_url, **ADDRESSES, **KEYS)
    assert ("(candid.W041) TRUSTED_PROXIES is empty" in checked.stderr) == warned


@pytest.mark.parametrize(("token", "warned"), [("", True), (OPERATOR_TOKEN, False)])
def test_check_deploy_says_that_anybody_reads_metrics_without_a_token(token: str, warned: bool) -> None:
    more = {"TRUSTED_PROXIES": "10.0.0.5"} | ({"OPERATOR_TOKEN": token} if token else {})
    checked = manage("check", "--deploy", "--fail-level", "WARNING", **more, **ADDRESSES, **KEYS)
    assert bool(checked.returncode) == warned
    assert ("(candid.W042) OPERATOR_TOKEN is not set" in checked.stderr) == warned


@pytest.mark.parametrize(
    ("name", "value", "identifier"),
    [
        ("CONSENT_PROFILE_CLOUD", "lax", "E003"),
        ("CONSENT_PROFILE_SELF_HOSTED", "", "E003"),
        ("EVENT_RETENTION_MONTHS", 0, "E004"),
        ("REPORT_TIME_ZONE", "Mars/Olympus", "E005"),
        ("REPORT_TIME_ZONE", "../etc", "E005"),
        ("PUBLIC_URL", "telemetry.example.com", "E006"),
        ("PUBLIC_URL", "https://example.com/candid", "E006"),
        ("HEARTBEAT_ENDPOINT", "ftp://example.com", "E007"),
        ("CONSENT_NOTICE_SINCE", "2026-01-31T09:00:00", "E008"),
        ("CONSENT_NOTICE_SINCE", "soon", "E008"),
        ("SUPPRESS_BELOW", 0, "E012"),
        ("COLLECTED_FILE", "/nowhere.toml", "E014"),
        ("ANALYTICS_HOUR_UTC", 24, "E015"),
        ("HEARTBEAT_INTERVAL_SECONDS", 0, "E016"),
        ("OTLP_MAX_BODY_BYTES", 0, "E017"),
        ("BODY_MEMORY_BYTES", 1000, "E020"),
        ("TRUSTED_PROXIES", ["my-proxy"], "E024"),
        ("TRUSTED_PROXIES", ["10.0.0.5", "0.0.0.0/0"], "E044"),
        ("TRUSTED_PROXIES", ["::/0"], "E044"),
        ("KEEP_SHORT_KEYS", ["SECRET_KEY"], "E045"),
        ("ON_WITHDRAWAL", "forget", "E025"),
        ("RECEIPTS_DIR", "/nowhere", "E026"),
        ("PUBLIC_URL", "https://example.com?x=1", "E006"),
        ("PUBLIC_URL", "https://example.com#x", "E006"),
        ("PUBLIC_URL", "https://", "E006"),
        ("PUBLIC_URL", "https://example.com:port", "E006"),
    ],
)
def test_a_bad_value_is_named(name: str, value: object, identifier: str, settings: Settings) -> None:
    setattr(settings, name, value)
    [error] = checks.candid(None)
    assert isinstance(error, Error)
    assert error.id == f"candid.{identifier}"
    assert name in error.msg
    assert error.hint


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("EVENT_RETENTION_MONTHS", 1, 1200),
        ("SUPPRESS_BELOW", 1, 1_000_000),
        ("ANALYTICS_HOUR_UTC", 0, 23),
        ("HEARTBEAT_INTERVAL_SECONDS", 1, 86_400),
        ("BODY_MEMORY_BYTES", 2 * 64 * 1024 * 1024, 2**40),
        ("REQUESTS_WAITING", 0, 1_000_000),
        ("KEY_REQUESTS_PER_SECOND", 0, 1_000_000),
        ("KEY_BYTES_PER_SECOND", 0, 2**40),
        ("PUBLISHABLE_KEY_REQUESTS_PER_SECOND", 0, 1_000_000),
        ("CONSENT_REQUESTS_PER_SECOND", 0, 1_000_000),
        ("NEW_NAMES_PER_DAY", 0, 1_000_000),
        ("LICENSE_CACHE_TTL_SECONDS", 0, 31_536_000),
    ],
)
def test_a_number_has_two_ends(name: str, least: int, most: int, settings: Settings) -> None:
    problems = []
    for value in (least - 1, least, most, most + 1):
        setattr(settings, name, value)
        problems.append([error.hint for error in checks.candid(None)])
    hint = [f"Use a number from {least} to {most}."]
    assert problems == [hint, [], [], hint]


def test_a_directory_for_receipts_that_this_user_cannot_write_is_named() -> None:
    """Else each erasure's receipt would be missing there, and `replay_erasures` would find none."""
    code = "import os, runpy, sys; os.geteuid() or os.setuid(65534); sys.argv = ['manage.py', 'check']"
    code += "; runpy.run_path('manage.py', run_name='__main__')"
    with place() as directory:
        directory.chmod(0o555)
        variables = environment(RECEIPTS_DIR=str(directory), **ADDRESSES, **KEYS)
        command = [sys.executable, "-c", code]
        checked = subprocess.run(
            command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False
        )
    assert checked.returncode == 1
    assert "(candid.E046) RECEIPTS_DIR cannot be written by the user" in checked.stderr


def test_each_mistake_in_the_registrys_files_is_named(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "more.toml"
    path.write_text('[surprise]\n[[attribute]]\nname = "plan"\n')
    settings.COLLECTED_FILE = str(path)
    messages = [warning.msg for warning in checks.candid(None)]
    assert any("unknown section 'surprise'" in message for message in messages)
    assert any("'why' is missing" in message for message in messages)
    assert len(messages) > 3


def test_good_values_pass(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://telemetry.example.com:8443"
    settings.HEARTBEAT_ENDPOINT = "https://example.com/otlp"
    settings.CONSENT_NOTICE_SINCE = "2026-01-31T09:00:00+01:00"
    settings.REPORT_TIME_ZONE = "Europe/Berlin"
    assert checks.candid(None) == []


@pytest.mark.parametrize(("name", "identifier"), [("ANALYTICS_DATABASE_URL", "E009"), ("REDIS_URL", "E010")])
def test_production_names_all_three_addresses(name: str, identifier: str, settings: Settings) -> None:
    settings.PRODUCTION = True
    settings.SECRET_KEY_IS_SET = settings.ID_HASH_KEY_IS_SET = True
    setattr(settings, f"{name}_IS_SET", False)
    assert [error.id for error in checks.candid(None)] == [f"candid.{identifier}"]


def test_one_database_for_both_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES, "analytics", settings.DATABASES["default"])
    assert [error.id for error in checks.candid(None)] == ["candid.E011"]


def test_an_engine_that_is_not_postgresql_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite = settings.DATABASES["analytics"] | {"ENGINE": "django.db.backends.sqlite3"}
    monkeypatch.setitem(settings.DATABASES, "analytics", sqlite)
    assert [(error.id, "analytics" in error.msg) for error in checks.candid(None)] == [("candid.E013", True)]


@pytest.mark.parametrize(
    ("months", "databases", "warned"), [(12, ["default"], 0), (13, ["default"], 1), (13, None, 0)]
)
def test_a_longer_rule_than_the_published_one_is_a_warning(
    db: None, settings: Settings, months: int, databases: list[str] | None, warned: int
) -> None:
    settings.EVENT_RETENTION_MONTHS = months
    warnings = checks.published(None, databases)
    assert [warning.id for warning in warnings] == ["candid.W002"] * warned
