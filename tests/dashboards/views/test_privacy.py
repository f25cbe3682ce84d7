"""`/privacy/` lists what ingest lets through: what it lists is stored, and nothing else."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from analytics import partitions
from analytics.models import EndpointUsage, FeatureUsage, UserActivity
from consent.gate.rules import Tier
from consent.policies import event_lifetime, publishing
from consent.policies.in_force import in_force
from consent.registry import registry
from consent.registry.registry import current_registry
from dashboards.views import privacy_traffic
from dashboards.views.privacy_content import _listed
from ingest.mapping.name_limits import known_names
from ingest.traffic import counting
from tests.support.declaring import MORE, collect
from tests.support.events import feature
from tests.support.otlp import a_key, grant, post, span, traces
from tests.support.pages import one_line

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh() -> None:
    privacy_traffic.counter.forget()
    known_names.forget()


def page(**headers: str) -> str:
    return one_line(Client().get("/privacy/", headers=headers))


def document() -> dict[str, Any]:
    answer = Client().get("/privacy/", {"format": "json"})
    assert answer["Content-Type"] == "application/json"
    found: dict[str, Any] = json.loads(answer.content)
    return found


def test_anybody_may_read_it_and_it_is_never_old() -> None:
    answer = Client().get("/privacy/")

    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-cache")
    assert "sessionid" not in answer.cookies
    assert "csrftoken" not in answer.cookies
    assert not re.search(r"<style|style=|<script>| on[a-z]+=", answer.content.decode())


def test_every_declared_attribute_is_listed_with_why_and_example() -> None:
    text = page()
    for attribute in current_registry().attributes.values():
        assert f"<code>{attribute.name}</code>" in text
    assert "To know which versions are in use" in text
    assert current_registry().digest in text
    assert text.count("Reports can be filtered by it.") == len(current_registry().dimensions) == 4


def test_every_column_that_the_store_writes_is_explained() -> None:
    models = {model._meta.db_table: model for model in (UserActivity, EndpointUsage, FeatureUsage)}
    for event in document()["events"]:
        stored = {field.attname for field in models[event["table"]]._meta.concrete_fields}
        assert stored == set(event["columns"])
        assert all(event["columns"].values())


@pytest.mark.parametrize(
    ("accept", "query", "wanted"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "", "text/html"),
        ("*/*", "", "text/html"),
        ("", "", "text/html"),
        ("application/json", "", "application/json"),
        ("text/html", "?format=json", "application/json"),
        ("application/json", "?format=html", "text/html"),
    ],
)
def test_the_request_chooses_page_or_json(accept: str, query: str, wanted: str) -> None:
    answer = Client().get(f"/privacy/{query}", headers={"accept": accept} if accept else {})

    assert answer["Content-Type"].startswith(wanted)
    assert "Accept" in answer["Vary"]


@pytest.mark.django_db(transaction=True)
def test_what_the_page_lists_is_what_is_stored(settings: Settings, tmp_path: Path) -> None:
    """Once published, it is listed and stored; once taken out, neither, from the next request on.

    That holds for a worker that has not heard of the change, too.
    """
    key, _ = a_key()
    sent = {"user.id": "u1", "feature.name": "export", "colour_scheme": "dark"}
    collect(settings, tmp_path, "")
    grant(user="u1")
    digests = []
    for number, content in enumerate((MORE, "")):
        old = current_registry()
        collect(settings, tmp_path, content)
        grant(user="u1", since=timezone.now())
        registry.use(old)
        assert ("<code>colour_scheme</code>" in page()) is bool(content)
        registry.use(old)
        assert ("colour_scheme" in {one["name"] for one in document()["attributes"]}) is bool(content)
        registry.use(old)
        at = timezone.now() + timedelta(minutes=1)
        post(Client(), "/v1/traces", traces(span(number + 1, at=at, attributes=sent)), key)
        digests.append(document()["registry_digest"])
        assert digests[-1] == in_force().registry_digest
    assert digests[0] != digests[1]
    assert sorted(map(len, FeatureUsage.objects.values_list("event_metadata", flat=True))) == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_what_an_operator_declares_is_escaped_on_the_page(settings: Settings, tmp_path: Path) -> None:
    collect(settings, tmp_path, MORE.replace("dark mode", "<dark> mode"))

    assert "To know whether &lt;dark&gt; mode is used." in page()
    assert "one of: light, dark; else “other”" in page()


@pytest.mark.django_db(transaction=True)
def test_each_version_of_the_policy_stays_on_the_page(settings: Settings, tmp_path: Path) -> None:
    collect(settings, tmp_path, "")
    collect(settings, tmp_path, MORE)
    publishing.publish(text="We are <brief> now.", editorial=True, actor="tests")

    found = document()
    assert [one["version"] for one in found["versions"]] == ["3", "2", "1"]
    assert [one["is_material"] for one in found["versions"]] == [False, True, False]
    assert (found["policy_version"], found["policy_text"]) == ("3", "We are <brief> now.")
    text = page()
    assert "We are &lt;brief&gt; now." in text
    assert "colour_scheme&#x27; is now collected" in text
    for one in found["versions"]:
        assert one["registry_digest"] in text


def test_events_that_arrived_are_counted_stored_or_not() -> None:
    grant(user="u1")
    key, _ = a_key()
    feature = {"feature.name": "export", "user.id": "u1"}
    events = [span(1, attributes=feature), span(2, attributes=feature | {"user.id": "u2"}), span(3, kind=2)]
    post(Client(), "/v1/traces", traces(*events, span(4)), key)  # the last describes no event
    counting.flush()

    assert document()["last_days"] == {"days": 30, "arrived": 3}
    privacy_traffic.counter.forget()
    assert re.search(r"<dt>3</dt><dd>events arrived", page())


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ("strict", "have both said yes"),
        ("organization", "except for those who say no"),
        ("notice", "a notice"),
    ],
)
def test_it_says_what_holds_for_those_who_have_not_decided(
    settings: Settings, profile: str, words: str
) -> None:
    settings.CONSENT_PROFILE_SELF_HOSTED = profile

    assert words in document()["undecided"]["self-hosted"]
    assert words in page()


def test_it_says_what_is_switched_off_and_for_how_long_events_are_kept(settings: Settings) -> None:
    settings.TELEMETRY_ENABLED = settings.BASE_TELEMETRY_ENABLED = False
    settings.EVENT_RETENTION_MONTHS = 6

    text = page()
    assert "no event is stored, even with consent" in text
    assert "no report of an installation is stored" in text
    assert "after 6 to 7 months" in text


@pytest.mark.django_db(transaction=True)
def test_nothing_is_kept_longer_than_was_published(settings: Settings) -> None:
    settings.EVENT_RETENTION_MONTHS = 24
    key, _ = a_key()

    def refused_and_kept(months: int) -> tuple[bool, bool]:
        """Whether ingest calls an event of that age too old, and whether pruning leaves one of its time."""
        month = partitions.oldest_kept_month(timezone.now(), months)
        partitions.ensure(month, month)
        event = span(1, at=month.starts_at, attributes={"feature.name": "export", "user.id": "u1"})
        answer = post(Client(), "/v1/traces", traces(event), key)
        feature("a" * 32, month.starts_at)
        call_command("prune", stdout=StringIO())
        return "too_old" in answer.content.decode(), FeatureUsage.objects.exists()

    assert refused_and_kept(18) == (True, False)
    assert document()["event_retention_months"] == {"least": 12, "most": 13}
    assert "after 12 to 13 months. A longer time applies only once it is published here." in page()
    assert "events are kept for 12 months" in check()

    publishing.publish(actor="tests")
    event_lifetime.forget()  # which takes seconds by itself
    assert refused_and_kept(17) == (False, True)  # the month before it was dropped, and stays closed
    assert document()["event_retention_months"] == {"least": 24, "most": 25}
    assert check() == ""

    settings.EVENT_RETENTION_MONTHS = 12  # less holds at once
    assert refused_and_kept(18) == (True, False)


def check() -> str:
    """The warnings of `manage.py check --database default`."""
    errors = StringIO()
    call_command("check", databases=["default"], stdout=StringIO(), stderr=errors)
    return errors.getvalue()


def test_other_methods_are_405() -> None:
    assert Client().post("/privacy/").status_code == 405


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"kind": "boolean"}, "yes or no"),
        ({"kind": "choice", "values": ("a", "b"), "spellings": ()}, "one of: a, b; else “other”"),
        (
            {"kind": "choice", "values": ("a", "b"), "spellings": (("aa", "a"),)},
            "one of: a, b, or another word for one; else “other”",
        ),
        ({"kind": "text", "max_length": 32}, "a text in the form of the example, at most 32 characters"),
        ({"kind": "integer", "minimum": 1, "maximum": 5000}, "a whole number from 1 to 5,000"),
        ({"kind": "number", "maximum": 0.5}, "a number from 0 to 0.5"),
    ],
)
def test_what_is_kept_of_an_attribute_is_said_in_words(declared: dict[str, Any], words: str) -> None:
    attribute = next(iter(current_registry().attributes.values()))
    assert _listed(replace(attribute, **declared)).allowed == words


def test_the_example_of_a_boolean_is_as_json_has_it() -> None:
    attribute = next(iter(current_registry().attributes.values()))
    assert _listed(replace(attribute, kind="boolean", example=True)).example == "true"


@pytest.mark.parametrize(("setting", "erases"), [("erase", True), ("keep", False)])
def test_it_says_whether_opting_out_erases(settings: Settings, setting: str, erases: bool) -> None:
    settings.ON_WITHDRAWAL = setting

    assert document()["erased_on_withdrawal"] is erases
    assert ("is erased within a day" in page()) is erases


def test_attributes_are_listed_under_their_tier() -> None:
    detailed, base = page().partition('id="attributes"')[2].split('id="base"')
    for attribute in current_registry().attributes.values():
        places = (base, detailed) if attribute.tier == Tier.BASE else (detailed, base)
        assert [f"<code>{attribute.name}</code>" in place for place in places] == [True, False]


def test_the_minimum_size_of_groups_is_the_one_in_force(settings: Settings) -> None:
    settings.SUPPRESS_BELOW = 17

    assert document()["groups_hidden_below"] == 17
    assert "groups of fewer than 17 people" in page()


def test_a_head_is_answered_like_a_get_and_an_unknown_format_with_the_page() -> None:
    assert Client().head("/privacy/").status_code == 200
    assert Client().get("/privacy/?format=xml")["Content-Type"].startswith("text/html")
