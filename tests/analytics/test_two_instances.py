"""One instance tells another that it exists: real processes, two pairs of databases, real HTTP."""

import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections

from analytics.models import Installation, InstallationEvent
from consent.keys import issue_key
from tests.instances import ROOT, environment, free_port, named, numbered, process, until


@pytest.fixture
def sender_environment(transactional_db: None) -> Iterator[dict[str, str]]:
    """Another instance: databases of its own, another `ID_HASH_KEY`, another number in Redis."""
    suffix = uuid.uuid4().hex[:12]
    names = {"default": f"candid_sender_{suffix}", "analytics": f"candid_sender_analytics_{suffix}"}
    with connections["default"].cursor() as cursor:
        for name in names.values():
            cursor.execute(f"CREATE DATABASE {name}")
    here = environment()
    yield here | {
        "DATABASE_URL": named(here["DATABASE_URL"], names["default"]),
        "ANALYTICS_DATABASE_URL": named(here["ANALYTICS_DATABASE_URL"], names["analytics"]),
        "REDIS_URL": numbered(settings.REDIS_URL, 9),
        "ID_HASH_KEY": "the sender's own key, not the receiver's",
        "DO_NOT_TRACK": "",
    }
    with connections["default"].cursor() as cursor:
        for name in names.values():
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def manage(*arguments: str, env: dict[str, str]) -> str:
    command = [sys.executable, "manage.py", *arguments]
    ran = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_heartbeat_of_one_instance_arrives_as_an_installation_of_another_once(
    sender_environment: dict[str, str], tmp_path: Path
) -> None:
    key, _ = issue_key(name="customers", scopes=["ingest", "heartbeat"])
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    sender = sender_environment | {"HEARTBEAT_ENDPOINT": endpoint, "HEARTBEAT_KEY": key}
    web = ("-m", "granian", "--interface", "wsgi", "--port", str(port), "telemetry_site.wsgi:application")
    worker = ("-m", "celery", "-A", "telemetry_site", "worker", "-c", "1")
    manage("migrate", env=sender)

    with process(*web, env=environment(), log=tmp_path / "web.log"):
        until(lambda: answers(f"{endpoint}/health"), what="the receiver is up")
        with process(*worker, env=sender, log=tmp_path / "worker.log"):
            until(InstallationEvent.objects.exists, what="first seen, sent when the worker starts")
        said = [manage("send_heartbeat", env=sender) for _ in range(3)]

    assert "Sent heartbeat" in said[0]
    assert "Sent" not in said[1] + said[2]
    installation = Installation.objects.get()
    assert (installation.app_version, installation.deployment_type) == (settings.VERSION, "self-hosted")
    assert "" not in (installation.platform, installation.os_version, installation.architecture)
    assert (installation.locale, installation.release_channel) == ("en", "stable")
    events = installation.events.values_list("name", flat=True)
    assert sorted(events) == ["first_seen", "heartbeat"]
