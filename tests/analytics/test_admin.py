"""Jobs, what was sent and installations can be read in the admin, and not be written."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from analytics.models import Installation, InstallationEvent, JobRun, SentHeartbeat

AT = datetime(2026, 3, 10, 12, tzinfo=UTC)


def rows() -> dict[str, Any]:
    installation = Installation.objects.create(pseudonym="a" * 32, first_seen_at=AT, last_seen_at=AT)
    for _ in range(2):
        InstallationEvent.objects.create(
            installation=installation, name="heartbeat", timestamp=AT, received_at=AT
        )
    return {
        "installation": installation,
        "jobrun": JobRun.objects.create(job="prune", started_at=AT, outcome="done", summary="Swept."),
        "sentheartbeat": SentHeartbeat.objects.create(name="heartbeat", day=AT.date(), body={"sent": "this"}),
    }


@pytest.mark.parametrize(
    ("model", "shown"),
    [
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
