"""The right of access: what an export holds, and that it holds no raw id."""

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from analytics.access import subject_export
from analytics.models import CustomerAnalytics, CustomerHeartbeat, License
from consent.decisions.recording import record_decision
from consent.keys import issue_key
from consent.models import Method, State, SubjectKind, SubjectView, TelemetryUser
from consent.pseudonyms import pseudonym
from tests.support.away import away
from tests.support.events import activity, endpoint, feature, installation, person
from tests.support.programs import until
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db(transaction=True)

JANE, ACME = pseudonym("user", "jane"), pseudonym("organization", "acme")
SESSION = pseudonym("session", "s-1")
DAY = timezone.now() - timedelta(days=10)


@pytest.fixture(autouse=True)
def _rows() -> None:
    activity(JANE, DAY, session=SESSION, organization_id=ACME)
    feature(JANE, DAY, organization_id=ACME)
    endpoint(JANE, DAY)
    endpoint(f"anon:{SESSION[:27]}", DAY, path="/before-sign-in")
    activity(2, DAY, session="f" * 32)
    feature("anon:" + "f" * 27, DAY)


def decide(kind: SubjectKind, name: str, state: State) -> None:
    record_decision(kind=kind, subject=name, state=state, actor="test", method=Method.API)


def export(kind: SubjectKind, name: str) -> dict[str, Any]:
    exported: dict[str, Any] = json.loads("".join(subject_export.export_json(kind, name)))
    return exported


def counts(exported: dict[str, list[object]]) -> dict[str, int]:
    return {name: len(rows) for name, rows in exported.items() if name != "about" and rows}


def test_a_users_export_has_their_rows_their_sessions_and_their_consent() -> None:
    decide(SubjectKind.USER, JANE, State.GRANTED)
    decide(SubjectKind.USER, JANE, State.DENIED)
    exported = export(SubjectKind.USER, JANE)
    assert counts(exported) == {
        "user": 1,
        "analytics_user_activity": 1,
        "analytics_feature_usage": 1,
        "analytics_endpoint_usage": 2,
        "decisions": 2,
        "intervals": 2,
        "tombstones": 1,
        "erasures": 1,
    }
    assert exported["analytics_user_activity"][0]["session_id"] == SESSION
    assert {row["endpoint"] for row in exported["analytics_endpoint_usage"]} == {"/a", "/before-sign-in"}
    assert [row["state"] for row in exported["intervals"]] == ["granted", "denied"]


def test_staff_decided_looked_and_erased_and_stay_unnamed(client: Client) -> None:
    """An export once told a person which member of staff had opted them out."""
    decide(SubjectKind.USER, JANE, State.GRANTED)
    client.force_login(User.objects.create_superuser("miller"))
    row = TelemetryUser.objects.get(pseudonym=JANE)
    body = {"action": "deny", "_selected_action": row.pk, "confirmed": "y", "reason": "Asked by letter"}
    client.post(reverse("admin:consent_telemetryuser_changelist"), body)
    client.get(reverse("admin:consent_telemetryuser_change", args=[row.pk]))
    client.get(reverse("admin:consent_erasurerequest_changelist"), {"q": JANE})

    exported = export(SubjectKind.USER, JANE)

    assert [(row["actor"], row["method"]) for row in exported["decisions"]] == [
        ("test", "api"),
        ("staff", "admin"),
    ]
    assert [row["actor"] for row in exported["erasures"]] == ["staff"]
    views = [(row["page"], row["why"]) for row in exported["views_by_staff"]]
    assert views == [("account", "to see to consent"), ("erasures", "to see to an erasure")]
    assert all(row["viewed_at"] for row in exported["views_by_staff"])
    assert "miller" not in json.dumps(exported)


def test_a_users_export_tells_what_the_roll_ups_know_of_them() -> None:
    roll_up()
    known = export(SubjectKind.USER, JANE)["first_seen"]
    assert {row["organization_id"]: bool(row["first_login_at"]) for row in known} == {
        ACME: True,
        person(999): False,
    }
    assert all(row["first_seen_at"] for row in known)


def test_an_organizations_export_has_reports_licences_and_installations() -> None:
    now = timezone.now()
    _, key = issue_key(name="acme's", scopes=["heartbeat"], organization_pseudonym=ACME)
    License.objects.create(key_id=key.pk, customer_name="Acme", entitlements={"seats": 5})
    License.objects.create(key_id=key.pk + 1, customer_name="Another")
    CustomerHeartbeat.objects.create(organization_id=ACME, timestamp=now, metrics={"a": 1}, received_at=now)
    CustomerAnalytics.objects.create(
        organization_id=ACME, date=now.date(), analytics={"a": 1}, received_at=now
    )
    installation(7)
    installation(8)
    feature(f"anon:{person(7)[:27]}", DAY, organization_id=ACME)
    exported = export(SubjectKind.ORGANIZATION, ACME)
    assert counts(exported) == {
        "keys": 1,
        "analytics_user_activity": 1,
        "analytics_feature_usage": 2,
        "customer_heartbeats": 1,
        "customer_analytics": 1,
        "licences": 1,
        "installations": 2,  # two that begin with the same 27 digits
        "installation_events": 2,
    }
    assert "digest" not in exported["keys"][0]


def test_an_export_is_of_one_moment() -> None:
    pieces = subject_export.export_json(SubjectKind.USER, JANE)
    begun = next(pieces)
    activity(JANE, timezone.now() - timedelta(days=40))
    decide(SubjectKind.USER, JANE, State.GRANTED)
    exported = json.loads(begun + "".join(pieces))
    assert len(exported["analytics_user_activity"]) == 1
    assert exported["decisions"] == []


def test_the_command_takes_a_raw_id_and_writes_none(tmp_path: Path) -> None:
    out, file = StringIO(), tmp_path / "jane.json"
    call_command("export_subject", user="jane", stdout=out)
    call_command("export_subject", user="jane", output=str(file), stdout=StringIO())
    assert json.loads(out.getvalue())["about"]["pseudonym"] == JANE
    assert json.loads(file.read_text())["analytics_feature_usage"]
    assert "jane" not in out.getvalue() + file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_the_command_wants_one_subject() -> None:
    with pytest.raises(CommandError):
        call_command("export_subject")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"none/jane\.json: No such file"):
        call_command("export_subject", user="jane", output=str(tmp_path / "none" / "jane.json"))


def test_a_subject_of_the_other_kind_is_somebody_else() -> None:
    """Even if both had the same pseudonym."""
    decide(SubjectKind.ORGANIZATION, JANE, State.GRANTED)
    decide(SubjectKind.ORGANIZATION, JANE, State.DENIED)
    SubjectView.objects.create(page="account", subject=JANE, subject_kind="organization", viewed_by="x")
    exported = export(SubjectKind.USER, JANE)
    assert [exported[name] for name in ("decisions", "intervals", "erasures", "views_by_staff")] == [[]] * 4


def test_rows_are_in_order_and_their_times_are_utc() -> None:
    activity(JANE, DAY - timedelta(days=1))
    exported = export(SubjectKind.USER, JANE)
    days = [row["timestamp"] for row in exported["analytics_user_activity"]]
    assert days == sorted(days)
    assert all(day.endswith("+00:00") for day in days)
    assert exported["about"]["format"] == "candid-export/1"
    assert exported["about"]["as_of"].endswith("+00:00")


def backends() -> int:
    """How many connections the two databases have."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = ANY(%s)",
            [[connections[alias].settings_dict["NAME"] for alias in ("default", "analytics")]],
        )
        return int(cursor.fetchone()[0])


def test_no_connection_is_left_open_by_an_export_that_ended_was_dropped_or_failed() -> None:
    before = backends()
    export(SubjectKind.USER, JANE)
    pieces = subject_export.export_json(SubjectKind.USER, JANE)
    next(pieces)
    assert backends() == before + 2
    pieces.close()
    until(lambda: backends() == before, what="both connections are closed")
    with away("analytics"), pytest.raises(psycopg.OperationalError):
        export(SubjectKind.USER, JANE)
    until(lambda: backends() < before, what="only the unreachable one is missing")
