"""The admin: jobs, what was sent and what arrived can be read; licences can be edited."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from analytics.models import (
    CustomerAnalytics,
    CustomerHeartbeat,
    DroppedPartition,
    Installation,
    InstallationEvent,
    JobRun,
    License,
    SentHeartbeat,
)
from consent.keys import issue_key, revoke_key
from consent.models import Key

AT = datetime(2026, 3, 10, 12, tzinfo=UTC)


def rows() -> dict[str, Any]:
    installation = Installation.objects.create(pseudonym="a" * 32, first_seen_at=AT, last_seen_at=AT)
    for _ in range(2):
        InstallationEvent.objects.create(
            installation=installation, name="heartbeat", timestamp=AT, received_at=AT
        )
    return {
        "customeranalytics": CustomerAnalytics.objects.create(
            organization_id="b" * 32, date=date(2026, 3, 9), analytics={"uses": 7}, received_at=AT
        ),
        "customerheartbeat": CustomerHeartbeat.objects.create(
            organization_id="b" * 32, timestamp=AT, metrics={"users": 5}, received_at=AT
        ),
        "installation": installation,
        "droppedpartition": DroppedPartition.objects.create(
            month=AT.date(),
            table="analytics_feature_usage",
            rows=123_456,
            size_bytes=7_000_000,
            dropped_at=AT,
        ),
        "jobrun": JobRun.objects.create(job="prune", started_at=AT, outcome="done", summary="Swept."),
        "sentheartbeat": SentHeartbeat.objects.create(name="heartbeat", day=AT.date(), body={"sent": "this"}),
    }


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ("customeranalytics", "&quot;uses&quot;: 7"),
        ("customerheartbeat", "&quot;users&quot;: 5"),
        ("droppedpartition", "123456"),
        ("installation", "2026-03-10: 2"),
        ("jobrun", "Swept."),
        ("sentheartbeat", "&quot;this&quot;"),
    ],
)
def test_rows_are_read_only(admin_client: Client, model: str, shown: str) -> None:
    row = rows()[model]
    assert admin_client.get(reverse(f"admin:analytics_{model}_changelist")).status_code == 200
    address = reverse(f"admin:analytics_{model}_change", args=[row.pk])
    assert shown in admin_client.get(address).text
    assert admin_client.post(address, {}).status_code == 403
    assert admin_client.get(reverse(f"admin:analytics_{model}_add")).status_code == 403
    assert admin_client.post(reverse(f"admin:analytics_{model}_delete", args=[row.pk])).status_code == 403


def test_how_each_job_stands_is_told_above_the_runs(admin_client: Client) -> None:
    JobRun.objects.create(job="prune", started_at=AT, ended_at=AT, outcome="failed", summary="It is blocked.")
    page = admin_client.get(reverse("admin:analytics_jobrun_changelist")).text
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "prune failed 2026-03-10 12:00:00 0.00 s It is blocked." in words
    assert "erasure new never – It has not run yet." in words


def test_a_run_under_way_has_no_duration_yet(admin_client: Client) -> None:
    JobRun.objects.create(job="prune", started_at=AT, outcome="running")
    JobRun.objects.create(job="roll-ups", started_at=AT, ended_at=AT + timedelta(seconds=1.5), outcome="done")
    page = admin_client.get(reverse("admin:analytics_jobrun_changelist")).text
    assert set(re.findall(r'class="field-took">([^<]+)<', page)) == {"–", "1.50 s"}


def test_an_installations_latest_thirty_days_are_shown_the_newest_first(admin_client: Client) -> None:
    installation = Installation.objects.create(pseudonym="a" * 32, first_seen_at=AT, last_seen_at=AT)
    for days in range(31):
        at = AT - timedelta(days=days)
        InstallationEvent.objects.create(
            installation=installation, name="heartbeat", timestamp=at, received_at=AT
        )
    page = admin_client.get(reverse("admin:analytics_installation_change", args=[installation.pk])).text
    days = re.findall(r"<div>(\d{4}-\d\d-\d\d): 1</div>", page)
    assert days == sorted(days, reverse=True)
    assert (len(days), days[0]) == (30, "2026-03-10")
    page = admin_client.get(reverse("admin:analytics_installation_changelist")).text
    assert 'class="field-heartbeats">31<' in page


def new_key(scope: str = "heartbeat") -> Key:
    return issue_key(name=f"key for {scope}", scopes=[scope])[1]


def add_licence(client: Client, key: Key, entitlements: str = '{"seats": 50}') -> Any:
    address = reverse("admin:analytics_license_add")
    fields = {"key": key.pk, "customer_name": "Acme", "entitlements": entitlements}
    return client.post(address, fields | {"expires_at_0": "2027-01-01", "expires_at_1": "00:00:00"})


def test_a_licence_is_given_to_a_key_and_shows_it(admin_client: Client) -> None:
    key = new_key()
    assert add_licence(admin_client, key).status_code == 302
    licence = License.objects.get()
    assert (licence.key_id, licence.entitlements) == (key.pk, {"seats": 50})
    assert licence.expires_at == datetime(2027, 1, 1, tzinfo=UTC)
    page = admin_client.get(reverse("admin:analytics_license_change", args=[licence.pk])).text
    assert f"key for heartbeat ({key.hint}…)" in page


def test_only_keys_that_can_be_licences_are_offered(admin_client: Client) -> None:
    taken, revoked, other = new_key(), new_key(), new_key("ingest")
    add_licence(admin_client, taken)
    revoke_key(key=revoked)
    for key in (taken, revoked, other):
        assert "Select a valid choice" in add_licence(admin_client, key).text
    assert License.objects.count() == 1


@pytest.mark.parametrize(
    ("entitlements", "said"),
    [
        ("[1]", "Write a JSON object"),
        ('{"a b": 1}', "A name has 1 to 100 letters"),
        ('{"deep": {}}', "must be a number, true or false, or a text"),
    ],
)
def test_entitlements_are_flat(admin_client: Client, entitlements: str, said: str) -> None:
    assert said in add_licence(admin_client, new_key(), entitlements).text
    assert License.objects.count() == 0


def test_a_licence_is_changed_but_not_deleted(admin_client: Client) -> None:
    add_licence(admin_client, new_key())
    licence = License.objects.get()
    address = reverse("admin:analytics_license_change", args=[licence.pk])
    changed = {"customer_name": "Acme GmbH", "entitlements": "{}", "expires_at_0": "", "expires_at_1": ""}
    assert admin_client.post(address, changed).status_code == 302
    licence.refresh_from_db()
    assert (licence.customer_name, licence.entitlements, licence.expires_at) == ("Acme GmbH", {}, None)
    address = reverse("admin:analytics_license_delete", args=[licence.pk])
    assert admin_client.post(address, {"post": "yes"}).status_code == 403


def test_what_became_of_a_licences_key_is_shown(admin_client: Client) -> None:
    key = new_key()
    add_licence(admin_client, key)
    address = reverse("admin:analytics_license_changelist")
    assert f"key for heartbeat ({key.hint}…)<" in admin_client.get(address).text
    revoke_key(key=key)
    assert f"key for heartbeat ({key.hint}…), revoked<" in admin_client.get(address).text
    License.objects.update(key_id=key.pk + 1)
    assert 'class="field-key_shown">deleted<' in admin_client.get(address).text
