"""The page for the first event: its commands and programs work, and its panel says what happened."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from analytics.models import FeatureUsage, Installation
from consent.decisions.recording import record_decision
from consent.keys import issue_key
from consent.models import Key, Method, Scope, State, SubjectKind
from consent.pseudonyms import pseudonym as pseudonym_of
from dashboards.views.first_event import EXAMPLE_ORGANIZATION, EXAMPLE_USER, command, has_events, snippets
from ingest.models import TrafficCount
from ingest.traffic import counting
from tests.dashboards.conftest import days_ago, feature_used, requested, signed_in
from tests.support.needed import needed
from tests.support.pages import one_line


def program(live_server: LiveServer, kind: str) -> str:
    """The text of a snippet, with the address of the running server and a key that works."""
    key, _ = issue_key(name="first-app", scopes=[Scope.INGEST])
    return next(one.code for one in snippets(address=live_server.url, key=key) if one.kind == kind)


def say_yes() -> None:
    for kind, raw in ((SubjectKind.USER, EXAMPLE_USER), (SubjectKind.ORGANIZATION, EXAMPLE_ORGANIZATION)):
        record_decision(
            kind=kind,
            subject=pseudonym_of(kind.value, raw),
            state=State.GRANTED,
            actor="test",
            method=Method.COMMAND,
        )


def run(kind: str, code: str) -> None:
    if kind == "sh":
        needed("curl")
    command = [sys.executable, "-c", code] if kind == "py" else ["sh", "-c", code]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=clean, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["py", "sh"])
def test_a_pasted_program_stores_its_event(live_server: LiveServer, kind: str) -> None:
    code = program(live_server, kind)
    say_yes()

    run(kind, code)

    event = FeatureUsage.objects.get()
    assert (event.feature_name, event.action) == ("hello", "created")
    assert event.user_id == pseudonym_of("user", EXAMPLE_USER)


@pytest.mark.parametrize("kind", ["py", "sh"])
def test_without_consent_the_panel_says_why_nothing_was_kept(live_server: LiveServer, kind: str) -> None:
    run(kind, program(live_server, kind))
    counting.flush()
    client = Client()
    client.force_login(User.objects.create_user("mira", is_staff=True))

    panel = one_line(client.get("/dashboards/first-event/arrivals/"))

    assert not FeatureUsage.objects.exists()
    assert "Events arrive, but none is stored yet" in panel
    assert "Dropped: no consent" in panel
    assert (
        f"manage.py set_consent granted --user {EXAMPLE_USER} --organization {EXAMPLE_ORGANIZATION}" in panel
    )


def test_the_readme_program_stores_its_event(live_server: LiveServer) -> None:
    readme = (Path(settings.BASE_DIR) / "README.md").read_text()
    code = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    variables = re.search(r"^export OTEL_.*$", readme, re.MULTILINE)
    grant = re.search(r"^python manage.py set_consent (.*)$", readme, re.MULTILINE)
    assert code
    assert variables
    assert grant
    assert variables[0].isascii()  # an ellipsis left in a header would fail in a way that says nothing
    key, _ = issue_key(name="my-app", scopes=[Scope.INGEST])
    where = variables[0].replace("http://localhost:4318", live_server.url).replace("YOUR_KEY", key)
    call_command("set_consent", *grant[1].split())

    run("sh", f"{where}\n{shlex.quote(sys.executable)} -c {shlex.quote(code[1])}")

    assert FeatureUsage.objects.get().feature_name == "timer"


def test_a_key_that_is_unknown_is_explained(staff: Client) -> None:
    TrafficCount.objects.create(
        minute=timezone.now(), signal="traces", outcome="rejected", reason="no_key", count=1
    )

    panel = one_line(staff.get("/dashboards/first-event/arrivals/"))

    assert "A request arrived without a valid key" in panel
    assert "Authorization: Bearer YOUR_KEY" in panel
    assert "Requests arrive, but without an event yet" in panel, "a rejected request is no event"
    assert "A request arrived" in panel


def test_commands_name_the_data_dir_of_this_instance(settings: object, tmp_path: Path) -> None:
    settings.EMBEDDED, settings.DATA_DIR = True, tmp_path / "my data"  # type: ignore[attr-defined]

    assert command("issue_key", "app").endswith(
        f"python manage.py issue_key app --data-dir '{tmp_path}/my data'"
    )

    settings.DATA_DIR = settings.BASE_DIR / "var" / "mine"  # type: ignore[attr-defined]
    assert command("issue_key", "app").endswith("--data-dir var/mine")

    settings.DATA_DIR = settings.BASE_DIR / "var"  # type: ignore[attr-defined]
    assert command("issue_key", "app").endswith("python manage.py issue_key app")


def test_the_overview_of_an_empty_server_says_how_to_begin(staff: Client) -> None:
    page = one_line(staff.get("/dashboards/"))

    assert "Send your first event" in page
    assert "http://testserver/v1/traces" in page
    assert "Waiting for the first event" in page
    assert 'hx-trigger="every 3s"' in page


def test_the_public_address_is_what_programs_are_told(staff: Client, settings: object) -> None:
    settings.PUBLIC_URL = "https://telemetry.example.org"  # type: ignore[attr-defined]

    assert "https://telemetry.example.org/v1/traces" in staff.get("/dashboards/first-event/").content.decode()


def test_after_the_first_event_the_overview_has_numbers(staff: Client) -> None:
    feature_used("somebody", at=days_ago(1))

    page = staff.get("/dashboards/").content.decode()

    assert "Consent coverage" in page
    assert "Ingest, last 24 hours" in page


def test_a_key_is_made_by_post_and_shown_once(staff: Client) -> None:
    user = User.objects.get()
    user.user_permissions.add(Permission.objects.get(codename="add_key"))

    made = staff.post("/dashboards/first-event/").content.decode()
    later = staff.get("/dashboards/first-event/").content.decode()

    key = Key.objects.get()
    assert key.scopes == ["ingest"]
    assert made.count(key.hint) >= 4  # the key itself and the three programs
    assert key.hint not in later


def test_the_admins_log_has_the_key_that_the_page_made_and_who_made_it(staff: Client) -> None:
    User.objects.get().user_permissions.add(Permission.objects.get(codename="add_key"))
    staff.post("/dashboards/first-event/")

    entry = LogEntry.objects.get()
    key = Key.objects.get()
    assert (entry.user.get_username(), entry.object_id, entry.object_repr) == ("mira", str(key.pk), key.name)
    assert entry.get_change_message() == "Added."
    assert key.hint not in entry.change_message


def test_an_account_that_may_not_make_keys_is_shown_the_command(staff: Client) -> None:
    page = staff.get("/dashboards/first-event/").content.decode()

    assert "Make the key" not in page
    assert "manage.py issue_key first-app" in page
    assert staff.post("/dashboards/first-event/").status_code == 403
    assert not Key.objects.exists()


def test_counts_of_events_are_shown_however_few(staff: Client) -> None:
    for outcome, reason in (("accepted", ""), ("refused", "unroutable"), ("rejected", "no_key")):
        TrafficCount.objects.create(
            minute=days_ago(0, hour=0), signal="traces", outcome=outcome, reason=reason, count=1
        )

    page = staff.get("/dashboards/pipeline/").content.decode()

    assert "Dropped: not a known event" in page
    assert "401 Unauthorized: no key, or an unknown one" in page
    assert "&lt;5" not in page


@pytest.mark.parametrize("event", [feature_used, signed_in, requested])
def test_any_kind_of_event_is_a_first_event(staff: Client, event: Callable[..., None]) -> None:
    assert not has_events()
    event("somebody", at=days_ago(1))

    assert has_events()
    assert "The first event is stored" in one_line(staff.get("/dashboards/first-event/arrivals/"))


def test_an_installation_is_an_event_too(db: None) -> None:
    now = timezone.now()
    Installation.objects.create(pseudonym="i" * 32, first_seen_at=now, last_seen_at=now)
    assert has_events()


@pytest.mark.parametrize(
    ("scopes", "revoked", "ready"),
    [(["ingest"], False, True), (["reports"], False, False), (["ingest"], True, False)],
)
def test_a_key_that_may_send_is_seen(staff: Client, scopes: list[str], revoked: bool, ready: bool) -> None:
    issue_key(name="app", scopes=scopes)
    Key.objects.update(revoked_at=timezone.now() if revoked else None)

    panel = one_line(staff.get("/dashboards/first-event/arrivals/"))

    assert ("A key that may send events exists" in panel) is ready


@pytest.mark.parametrize(
    ("reason", "advice"),
    [("no_consent_user", "must both have agreed"), ("names_nobody", "names neither a user nor")],
)
def test_advice_ends_with_the_first_event(staff: Client, reason: str, advice: str) -> None:
    TrafficCount.objects.create(
        minute=timezone.now(), signal="traces", outcome="refused", reason=reason, count=1
    )
    panel = one_line(staff.get("/dashboards/first-event/arrivals/"))
    assert "Your event arrived but was dropped" in panel
    assert advice in panel
    feature_used("somebody", at=days_ago(1))
    assert "Your event arrived" not in one_line(staff.get("/dashboards/first-event/arrivals/"))
