"""One instance tells another that it exists: real processes, two pairs of databases, real HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from analytics.models import CustomerAnalytics, CustomerHeartbeat, Installation, InstallationEvent
from consent.keys import issue_key
from consent.pseudonyms import pseudonym
from tests.support.databases import addresses, databases
from tests.support.programs import (
    another_redis,
    environment,
    manage,
    process,
    until,
    web_server,
)


@pytest.fixture
def sender_environment(transactional_db: None) -> Iterator[dict[str, str]]:
    """Another instance: databases of its own, another `ID_HASH_KEY`, another number in Redis."""
    with databases(migrated=True) as names:
        yield environment(
            **addresses(names),
            REDIS_URL=another_redis(settings.REDIS_URL),
            ID_HASH_KEY="the sender's own key, not the receiver's",
            DO_NOT_TRACK="",
        )


def test_a_heartbeat_of_one_instance_arrives_as_an_installation_of_another_once(
    sender_environment: dict[str, str], tmp_path: Path
) -> None:
    key, _ = issue_key(name="customers", scopes=["ingest", "heartbeat"])
    worker = ("-m", "celery", "-A", "telemetry_site", "worker", "-c", "1")

    with web_server(tmp_path / "web.log") as endpoint:
        sender = sender_environment | {"HEARTBEAT_ENDPOINT": endpoint, "HEARTBEAT_KEY": key}
        with process(*worker, env=sender, log=tmp_path / "worker.log"):
            until(InstallationEvent.objects.exists, what="first seen, sent when the worker starts")
        said = [manage("send_heartbeat", env=sender) for _ in range(3)]

    assert "Sent" not in said[1] + said[2]  # before the first, the worker may have sent it
    installation = Installation.objects.get()
    assert (installation.app_version, installation.deployment_type) == (settings.VERSION, "self-hosted")
    assert "" not in (installation.platform, installation.os_version, installation.architecture)
    assert (installation.locale, installation.release_channel) == ("en", "stable")
    events = installation.events.values_list("name", flat=True)
    assert sorted(events) == ["first_seen", "heartbeat"]


SEND_METRICS = "from analytics.tasks import send_metrics; print(send_metrics())"
AS_SENT = """
import json
from analytics.heartbeats.messages import installation_id
from analytics.models import SentHeartbeat
print(json.dumps({"id": str(installation_id()), **dict(SentHeartbeat.objects.values_list("name", "body"))}))
"""


@pytest.mark.proof
def test_daily_analytics_and_metrics_of_one_instance_arrive_at_another_once(
    sender_environment: dict[str, str], tmp_path: Path
) -> None:
    key, _ = issue_key(name="customers", scopes=["heartbeat"])
    manage("seed_demo", "--days", "2", "--users", "60", "--events", "2000", env=sender_environment)

    with web_server(tmp_path / "web.log") as endpoint:
        sender = sender_environment | {"HEARTBEAT_ENDPOINT": endpoint, "HEARTBEAT_KEY": key}
        said = [manage("send_daily_analytics", env=sender) for _ in range(2)]
        said.append(manage("shell", "-v0", "-c", SEND_METRICS, env=sender))

    assert ['"outcome":"stored"' in sentence for sentence in said] == [True, False, True]
    sent = json.loads(manage("shell", "-v0", "-c", AS_SENT, env=sender))
    customer = pseudonym("organization", sent["id"])
    day = CustomerAnalytics.objects.get(organization_id=customer)
    assert day.date.isoformat() == sent["analytics"]["date"]
    assert day.analytics == numbers(sent["analytics"]["analytics"])
    assert day.analytics["active_users"] > 0
    moment = CustomerHeartbeat.objects.get(organization_id=customer)
    assert moment.timestamp.isoformat() == sent["metrics"]["timestamp"]
    assert moment.metrics == numbers(sent["metrics"]["metrics"])


def numbers(sent: dict[str, object]) -> dict[str, object]:
    """The numbers kept of a report: not the version, nor what the sender has hidden."""
    return {name: value for name, value in sent.items() if isinstance(value, int)}
