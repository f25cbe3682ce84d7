"""The settings that follow from the environment, as a new process reads them."""

import runpy
import tomllib
from typing import Any

import pytest

from telemetry_site.settings import BASE_DIR

SERVERS = {"DATABASE_URL": "postgres://x@db.example/x", "REDIS_URL": "redis://redis.example/3"}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Any:
    def settings_with(**variables: str) -> dict[str, Any]:
        for name in (
            "DEBUG",
            "CANDID_EMBEDDED",
            "PUBLIC_URL",
            "ALLOWED_HOSTS",
            "TRUSTED_PROXIES",
            "SECRET_KEY",
            "HSTS_PRELOAD",
        ):
            monkeypatch.delenv(name, raising=False)
        for name, value in (SERVERS | variables).items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(BASE_DIR / "telemetry_site" / "settings.py"))

    return settings_with


def test_production_without_an_address_takes_https_for_granted(read: Any) -> None:
    found = read()
    assert found["PRODUCTION"]
    assert found["HTTPS"]
    assert (found["SESSION_COOKIE_SECURE"], found["CSRF_COOKIE_SECURE"]) == (True, True)
    assert found["SECURE_SSL_REDIRECT"]
    assert found["SECURE_HSTS_SECONDS"] == 31_536_000
    assert found["SECURE_PROXY_SSL_HEADER"] is None
    assert not found["SECRET_KEY_IS_SET"]
    assert len(found["SECRET_KEY"]) > 50


@pytest.mark.parametrize(
    ("variables", "asked"),
    [({}, False), ({"HSTS_PRELOAD": "true"}, True), ({"HSTS_PRELOAD": "false"}, False)],
)
def test_browsers_lists_of_https_sites_are_asked_for_on_purpose_only(
    read: Any, variables: dict[str, str], asked: bool
) -> None:
    """Whoever is on such a list cannot come back from https for months, with all subdomains."""
    found = read(**variables)
    assert found["SECURE_HSTS_PRELOAD"] is asked
    assert found["SECURE_HSTS_INCLUDE_SUBDOMAINS"] is True
    assert read(**variables, PUBLIC_URL="http://a.example")["SECURE_HSTS_PRELOAD"] is False


@pytest.mark.parametrize("variable", ["DEBUG", "CANDID_EMBEDDED"])
def test_debug_and_the_embedded_servers_are_no_production(read: Any, variable: str) -> None:
    found = read(**{variable: "1"})
    assert not found["PRODUCTION"]
    assert not found["HTTPS"]
    assert found["SECURE_HSTS_SECONDS"] == 0


def test_the_public_address_decides(read: Any) -> None:
    found = read(PUBLIC_URL="http://telemetry.example.com:8000/")
    assert not found["HTTPS"]
    assert found["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]", "telemetry.example.com"]
    assert found["CSRF_TRUSTED_ORIGINS"] == ["http://telemetry.example.com:8000"]
    assert read(PUBLIC_URL="https://telemetry.example.com", DEBUG="1")["HTTPS"]


def test_the_scheme_that_a_proxy_names_is_believed_behind_trusted_ones_only(read: Any) -> None:
    found = read(TRUSTED_PROXIES="10.0.0.0/8")
    assert found["SECURE_PROXY_SSL_HEADER"] == ("HTTP_X_FORWARDED_PROTO", "https")


def test_databases_give_up_connecting_and_are_checked_before_use(read: Any) -> None:
    found = read(DATABASE_URL="postgres://candid@/candid?host=/run/candid")["DATABASES"]["default"]
    assert (found["HOST"], found["OPTIONS"]) == ("/run/candid", {"connect_timeout": 5})
    assert (found["CONN_MAX_AGE"], found["CONN_HEALTH_CHECKS"]) == (600, True)


def test_the_queue_is_a_number_on_the_socket_of_redis(read: Any) -> None:
    found = read(REDIS_URL="unix:///run/redis.sock?db=3")
    assert found["CELERY_BROKER_URL"] == "redis+socket:///run/redis.sock?virtual_host=3"
    assert read()["CELERY_BROKER_URL"] == "redis://redis.example/3"


def test_ingest_and_probes_are_never_redirected(read: Any) -> None:
    from re import match

    exempt = read()["SECURE_REDIRECT_EXEMPT"]
    paths = ("v1/logs", "otlp/v1/traces", "health", "ready", "metrics", "admin/", "healthy", "api/v1/x")
    assert [any(match(one, path) for one in exempt) for path in paths] == [True] * 5 + [False] * 3


def test_the_content_security_policy_allows_our_own_only(read: Any) -> None:
    directives = read()["CONTENT_SECURITY_POLICY"]["DIRECTIVES"]
    assert directives["default-src"] == ["'none'"]
    assert directives["frame-ancestors"] == ["'none'"]
    assert directives["script-src"] == directives["style-src"] == ["'self'"]


def test_the_version_is_the_projects(read: Any) -> None:
    project = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]
    found = read()
    assert found["VERSION"] == found["SPECTACULAR_SETTINGS"]["VERSION"] == project["version"]


def test_tasks_are_acknowledged_late_and_taken_one_by_one(read: Any) -> None:
    found = read()
    assert found["CELERY_TASK_ACKS_LATE"]
    assert found["CELERY_WORKER_PREFETCH_MULTIPLIER"] == 1
    assert (found["CELERY_TASK_TIME_LIMIT"], found["CELERY_RESULT_BACKEND"]) == (3600, None)
