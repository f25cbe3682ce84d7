"""The real SDK of Sentry for Python, unmodified, pointed at Candid; what it plants is found nowhere."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pytest_django.plugin import DjangoDbBlocker

from analytics.models import EndpointUsage, FeatureUsage, UserActivity
from consent.pseudonyms import pseudonym
from ingest.models import RejectedRequest, TrafficCount
from tests.support.canaries.payloads import CANARY
from tests.support.canaries.search import everywhere
from tests.support.otlp import a_key, grant
from tests.support.programs import ROOT, until
from tests.support.receiver import receiver

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sentry")


@pytest.fixture(scope="module")
def address(logs: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    with django_db_blocker.unblock(), receiver(logs / "log") as address:
        yield address


def dsn(address: str, key: str) -> str:
    return f"http://{key}@{urlsplit(address).netloc}/1"


def test_a_secret_key_in_the_address_is_refused_before_the_body_and_logged_nowhere(
    address: str, logs: Path
) -> None:
    text, _ = a_key()
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    connection.putrequest("POST", f"/api/1/envelope/?sentry_version=7&sentry_key={text}")
    connection.putheader("Content-Length", "1000000")
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, set(json.loads(answer.read()))) == (403, {"detail", "causes"})
    connection.close()
    assert text not in (logs / "log").read_text()
    refused = RejectedRequest.objects.filter(reason="key_in_address", signal="sentry", status="403")
    until(refused.exists, what="the refusal is counted")


def test_the_real_python_sdk(address: str, logs: Path, tmp_path: Path) -> None:
    grant(user="sentry-user", organization="sentry-organization")
    text, key = a_key()
    home = tmp_path / "home" / CANARY
    home.mkdir(parents=True)
    shop = [sys.executable, "tests/ingest/sentry/shop.py", dsn(address, text)]
    environment = os.environ | {"HOME": str(home), "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(shop, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr

    counted = TrafficCount.objects.filter(key_id=key.pk)
    until(lambda: sum(row.count for row in counted.all()) >= 13, what="all are counted")
    assert {(row.signal, row.outcome, row.reason): row.count for row in counted} == {
        ("sentry", "accepted", ""): 10,
        ("sentry", "refused", "unroutable"): 2,  # a message and a line of the log
        ("sentry", "refused", "names_nobody"): 1,  # counts of sessions
    }
    python = ".".join(map(str, sys.version_info[:3]))
    common = {"app": "shop", "app_version": "5.10.0", "environment": "staging", "python_version": python}
    common |= {"package": "shop-client", "package_version": "0.9.0"}
    features = {(row.feature_name, row.action): row for row in FeatureUsage.objects.all()}
    assert set(features) == {
        ("cart", "filled"), ("harmlessword", "used"), ("exception", "failed"), ("train_model", "timed"),
        ("task", "timed"),
    }  # fmt: skip
    assert all(common.items() <= row.event_metadata.items() for row in features.values())
    assert features["cart", "filled"].event_metadata["count"] == 3
    failed = {"error.type": "baskets.OutOfStock", "code.function.name": "baskets.add"}
    assert failed.items() <= features["exception", "failed"].event_metadata.items()
    assert 0 <= features["train_model", "timed"].event_metadata["duration_ms"] < 60_000
    endpoints = {row.endpoint: row for row in EndpointUsage.objects.all()}
    assert {name: (row.method, row.status_code) for name, row in endpoints.items()} == {
        "/orders/{id}": ("GET", 200), "{unmatched}": ("GET", 500),
    }  # fmt: skip
    assert all(0 <= row.duration_ms < 60_000 for row in endpoints.values())
    activity = {row.event_type: row for row in UserActivity.objects.all()}
    assert set(activity) == {"login", "session_start", "session_end"}
    assert activity["session_start"].session_id == activity["session_end"].session_id != ""
    user = pseudonym("user", "sentry-user")
    rows = [*features.values(), *endpoints.values(), *activity.values()]
    assert {row.user_id for row in rows} == {user}
    assert {row.organization_id for row in rows if row.organization_id} == {
        pseudonym("organization", "sentry-organization")
    }
    found = everywhere(logs, tmp_path)
    assert found.canaries == []
    assert found.harmless > 0
