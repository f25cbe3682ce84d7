"""A changed registry applies to the next request of every process, whatever that process read before."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.test import Client

from analytics.models import FeatureUsage
from consent.models import InForce
from consent.policies.activation import bring_in
from consent.registry import registry
from tests.support import otlp
from tests.support.declaring import MORE, collect
from tests.support.programs import web_server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def extension(tmp_path: Path, settings: LazySettings) -> Path:
    return collect(settings, tmp_path, MORE)


def event(number: int) -> dict[str, Any]:
    attributes = {
        "user.id": "jane",
        "feature.name": "editor",
        "colour_scheme": "dark",
        "app_version": "1.2.3",
    }
    return otlp.traces(otlp.span(number, at=datetime.now(UTC), attributes=attributes))


def stored(number: int) -> dict[str, Any]:
    """The metadata of the event with this number."""
    rows = {row.event_metadata["app_version"]: row.event_metadata for row in FeatureUsage.objects.all()}
    return rows[f"1.2.{number}"]


@pytest.fixture
def two_processes(extension: Path, tmp_path: Path) -> Iterator[list[str]]:
    """The addresses of two web servers, each a process."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(web_server(tmp_path / f"{name}.log", COLLECTED_FILE=str(extension)))
            for name in ("one", "two")
        ]


class Sender:
    """Sends events, each with a version of its own, and looks up what was stored of them."""

    def __init__(self) -> None:
        otlp.grant(user="jane", since=datetime.now(UTC))
        self.key, _ = otlp.a_key()
        self.number = 0

    def body(self) -> bytes:
        self.number += 1
        body = event(self.number)
        text = json.dumps(body).replace("1.2.3", f"1.2.{self.number}")
        return text.encode()

    def send(self, address: str) -> set[str]:
        """The names of what was stored of an event that this server was sent."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{address}/v1/traces", self.body(), headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.load(answer) == {}
        return set(stored(self.number))

    def send_here(self, client: Client) -> set[str]:
        answer = otlp.post(client, "/v1/traces", self.body(), self.key)
        assert answer.status_code == 200
        return set(stored(self.number))


def test_a_removed_attribute_is_gone_with_the_next_request_of_two_real_processes(
    extension: Path, two_processes: list[str]
) -> None:
    sender = Sender()
    for address in two_processes:
        assert "colour_scheme" in sender.send(address)

    extension.write_text("")
    call_command("reload_registry")

    for address in two_processes:
        for _ in range(3):
            assert sender.send(address) == {"app", "app_version"}


def test_an_added_one_is_there_with_the_next_request_and_broken_files_change_nothing(
    extension: Path, two_processes: list[str]
) -> None:
    sender = Sender()
    extension.write_text("")
    call_command("reload_registry")
    assert sender.send(two_processes[0]) == {"app", "app_version"}

    extension.write_text("[[attribute")
    with pytest.raises(CommandError, match="is not TOML"):
        call_command("reload_registry")
    for address in two_processes:
        assert sender.send(address) == {"app", "app_version"}

    extension.write_text(MORE)
    call_command("reload_registry")
    for address in two_processes:
        assert "colour_scheme" in sender.send(address)


def test_a_process_that_begins_with_broken_files_works_with_the_active_registry(
    extension: Path, client: Client
) -> None:
    sender = Sender()
    assert "colour_scheme" in sender.send_here(client)
    extension.write_text("[[attribute")
    registry._current = None  # as after a start
    assert "colour_scheme" in sender.send_here(client)


def test_a_process_whose_files_say_more_stores_what_is_active(extension: Path, client: Client) -> None:
    sender = Sender()
    extension.write_text("")
    bring_in(actor="test")
    extension.write_text(MORE)
    registry._current = None  # a process that starts now reads more than is active
    assert "colour_scheme" in registry.current_registry().attributes
    assert sender.send_here(client) == {"app", "app_version"}
    assert "colour_scheme" not in registry.current_registry().attributes


def test_an_active_registry_that_nobody_can_read_stores_nothing(extension: Path, client: Client) -> None:
    sender = Sender()
    sender.send_here(client)
    InForce.objects.update(registry="{}", registry_digest="0" * 64)
    assert otlp.post(client, "/v1/traces", sender.body(), sender.key).status_code == 503
    assert FeatureUsage.objects.count() == 1
