"""Which requests share threads, and that no lane's callers keep the others waiting."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connections
from pytest_django import Settings

from consent.keys import issue_key
from telemetry_site.server.lanes import caller_of, lane_of
from tests.support.programs import until
from tests.support.receiver import receiver

pytestmark = pytest.mark.django_db(transaction=True)

DISABLE = "/api/users/telemetry/disable"


@pytest.mark.parametrize(
    ("path", "lane"),
    [
        (DISABLE, "consent"),
        ("/api/consent/user", "consent"),
        ("/api/config/me/org-settings", "consent"),
        ("/api/v1/config/me/org-settings", "consent"),
        ("/api/privacy/erasure", "consent"),
        ("/privacy/mine/abc", "consent"),
        ("/api/privacy/export", "exports"),
        ("/ready", "probes"),
        ("/api/schema/", "pages"),
        ("/api/reports/retention", "pages"),
        ("/privacy/", "pages"),
        ("/readyx", "pages"),
    ],
)
def test_each_address_has_its_lane(path: str, lane: str) -> None:
    assert lane_of(path) == lane


def test_a_caller_is_a_client_as_its_proxy_tells(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = ["192.0.2.1"]
    behind = {"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}
    assert caller_of(behind) == "203.0.113.9"
    assert caller_of(behind | {"REMOTE_ADDR": "198.51.100.7"}) == "198.51.100.7"
    assert caller_of({"REMOTE_ADDR": "2001:db8::1"}) == caller_of({"REMOTE_ADDR": "2001:db8::2"})


class Asking(threading.Thread):
    """One request on a thread of its own."""

    def __init__(self, address: str, method: str, path: str, **headers: str) -> None:
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
        self._sent = method, path, {name.replace("_", "-"): value for name, value in headers.items()}
        self.status, self.headers, self.content = 0, {}, b""
        self.start()

    def run(self) -> None:
        method, path, headers = self._sent
        self.connection.request(method, path, headers=headers)
        answer = self.connection.getresponse()
        self.headers, self.content = dict(answer.getheaders()), answer.read()
        self.status = answer.status

    def answered(self) -> int:
        self.join(60)
        return self.status


@contextmanager
def site(log: Path, **settings: str) -> Iterator[str]:
    with receiver(log, target="telemetry_site.server.rsgi", **settings) as address:
        yield address


@contextmanager
def locked(alias: str, table: str) -> Iterator[psycopg.Connection]:
    """Hold a table, so that whoever reads it waits."""
    with psycopg.connect(**connections[alias].get_connection_params()) as other:
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield other


def waiting_for_locks(other: psycopg.Connection) -> int:
    (count,) = other.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() or (0,)
    return int(count)


def test_a_withdrawal_passes_pages_that_wait(tmp_path: Path) -> None:
    """Reports wait for a table; a withdrawal, a person's own page and `/ready` do not wait for them."""
    key = {"Authorization": f"Bearer {issue_key(name='app', scopes=['consent'])[0]}"}
    with site(tmp_path / "log") as address, locked("default", "django_session") as held:
        pages = [Asking(address, "GET", "/dashboards/", Cookie=f"sessionid={'x' * 32}") for _ in range(10)]
        until(lambda: waiting_for_locks(held) >= 2, what="pages hold their threads")
        assert Asking(address, "PUT", DISABLE, X_User_Id="u1", **key).answered() == 200
        assert Asking(address, "GET", "/privacy/mine/nothing").answered() == 404
        assert Asking(address, "GET", "/ready?part=redis").answered() == 200
        held.rollback()
        assert {page.answered() for page in pages} == {302}


def test_a_callers_pages_beyond_its_part_are_sent_back_with_a_sentence(tmp_path: Path) -> None:
    with site(tmp_path / "log") as address, locked("default", "django_session") as held:
        with ExitStack() as ending:
            ending.callback(held.rollback)
            pages = [
                Asking(address, "GET", "/dashboards/", Cookie=f"sessionid={'x' * 32}") for _ in range(70)
            ]
            until(
                lambda: sum(page.status == 429 for page in pages) == 70 - 64, what="the others are sent back"
            )
            refused = next(page for page in pages if page.status == 429)
            assert (
                refused.content
                == b"too many of your requests are under way; ask again when one is answered\n"
            )
            assert refused.headers["retry-after"] == "2"
        assert {page.answered() for page in pages} <= {302, 429, 503}  # 503: waited for longer than 5 s


def test_an_export_runs_at_a_time_for_one_caller_and_a_second_waits(tmp_path: Path) -> None:
    text, _ = issue_key(name="app", scopes=["consent"])
    headers: Any = {"Authorization": f"Bearer {text}", "X_User_Id": "u1"}
    with site(tmp_path / "log") as address, locked("analytics", "analytics_feature_usage") as held:
        exports = [Asking(address, "POST", "/api/privacy/export", **headers) for _ in range(6)]
        until(lambda: sum(one.status == 429 for one in exports) == 4, what="four are sent back")
        until(lambda: waiting_for_locks(held) == 1, what="one export reads, and no second one")
        held.rollback()
        assert sorted(one.answered() for one in exports) in ([200] * 2 + [429] * 4, [200, *[429] * 4, 503])
