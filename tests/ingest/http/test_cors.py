"""Preflights, and for how long the websites of publishable keys are remembered."""

from types import SimpleNamespace

import pytest
from django.db import connections
from django.test import Client
from pytest_django import Settings

from consent.keys import issue_key, revoke_key
from ingest.http import cors
from tests.support.otlp import post

SITE, OTHER = "https://app.example", "https://other.example"
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_back")]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock in seconds that the test moves on."""
    now = [1000.0]
    monkeypatch.setattr(cors, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_an_invited_page_is_told_all_that_it_may_do(client: Client, settings: Settings) -> None:
    settings.OTLP_CORS_ORIGINS = [SITE]
    answer = client.options("/v1/logs", headers={"Origin": SITE, "Access-Control-Request-Method": "POST"})
    told = {name: value for name, value in answer.headers.items() if name.startswith("Access-Control")}
    assert told == {
        "Access-Control-Allow-Origin": SITE,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": "Retry-After, X-Sentry-Rate-Limits",
        "Access-Control-Allow-Methods": "POST, OPTIONS",
        "Access-Control-Allow-Headers": ", ".join(
            (
                "authorization",
                "content-type",
                "content-encoding",
                "x-api-key",
                "x-sentry-auth",
                "dnt",
                "sec-gpc",
            )
        ),
        "Access-Control-Max-Age": "7200",
    }
    assert answer["Vary"] == "Origin"


@pytest.mark.parametrize("headers", [{"Origin": SITE}, {"Access-Control-Request-Method": "POST"}, {}])
def test_what_only_looks_like_a_preflight_is_told_to_post(
    client: Client, settings: Settings, headers: dict[str, str]
) -> None:
    settings.OTLP_CORS_ORIGINS = [SITE]
    assert client.options("/v1/logs", headers=headers).status_code == 405
    asks = {"Origin": SITE, "Access-Control-Request-Method": "POST"}
    assert client.get("/v1/logs", headers=asks).status_code == 405


def test_a_page_of_another_website_cannot_read_its_answer(client: Client, settings: Settings) -> None:
    settings.OTLP_CORS_ORIGINS = [SITE]
    answer = post(client, "/v1/logs", b"{}", "nonsense", Origin=OTHER)
    assert (answer["Vary"], "Access-Control-Allow-Origin" in answer) == ("Origin", False)
    assert "Vary" not in post(client, "/v1/logs", b"{}", "nonsense")


@pytest.mark.parametrize(("origin", "seconds"), [(SITE, 10.0), (OTHER, 1.0)])
def test_a_known_website_is_looked_up_again_after_ten_seconds_another_after_one(
    clock: list[float], origin: str, seconds: float
) -> None:
    issue_key(name="page", scopes=["ingest"], origins=[SITE])
    assert cors.is_stale(origin)
    cors.refresh()
    clock[0] += seconds
    assert not cors.is_stale(origin)
    clock[0] += 0.001
    assert cors.is_stale(origin)


def test_a_website_of_the_settings_is_never_looked_up(settings: Settings) -> None:
    settings.OTLP_CORS_ORIGINS = [SITE]
    assert cors.may_send(SITE)
    assert not cors.is_stale(SITE)


def test_a_revoked_keys_website_is_forgotten_at_the_next_look() -> None:
    _, key = issue_key(name="page", scopes=["ingest"], origins=[SITE])
    cors.refresh()
    assert (cors.may_send(SITE), cors.may_send(OTHER)) == (True, False)
    revoke_key(key=key)
    assert cors.may_send(SITE)
    cors.refresh()
    assert not cors.may_send(SITE)


def test_with_the_database_unreachable_known_websites_stay(clock: list[float]) -> None:
    issue_key(name="page", scopes=["ingest"], origins=[SITE])
    cors.refresh()
    clock[0] += 20
    with connections["default"].cursor() as cursor:
        cursor.execute("SAVEPOINT before")
        cursor.execute("ALTER TABLE consent_key RENAME TO elsewhere")
        cors.refresh()
        cursor.execute("ROLLBACK TO before")
    assert cors.may_send(SITE)
    assert not cors.is_stale(SITE)  # it was tried, and is not tried again with every request
