"""`/privacy/`: what is collected, for everybody to read, as a page and as JSON.

Made of the active registry, which ingest filters events with, of the published policies, the tables'
own columns and the settings in force: what is not said here cannot be stored, and what is not done is
not said.
"""

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from analytics.storage.event_tables import COMMON_COLUMNS, TABLES
from consent.decisions.tombstones import ERASE
from consent.gate.rules import Profile, Tier
from consent.gate.switches import switches
from consent.models import PolicyVersion
from consent.policies.activation import active_registry
from consent.policies.event_lifetime import months_kept
from consent.policies.in_force import in_force
from consent.registry.attributes import Attribute
from consent.registry.registry import Registry
from ingest.reasons import NOT_AGREED
from ingest.traffic.queries import Traffic, traffic_by_day

DAYS = 30
COUNTED_EVERY = 60.0  # seconds
BLANK_LINE = re.compile(r"\n\s*\n")

COLUMNS = {
    "id": "A number made of the event, so that the same one sent twice is stored once",
    "timestamp": "When it happened",
    "received_at": "When it reached us",
    "user_id": "A pseudonym of the user; of the session where no user is named",
    "organization_id": "A pseudonym of the organization",
    "session_id": "A pseudonym of the session",
    "deployment_type": "Cloud or self-hosted",
    "is_internal": "Whether it was our own use",
    "event_metadata": "The attributes listed below, as far as they were sent",
    "event_type": "What was done: signed in, signed out, began or ended a session, …",
    "endpoint": "The address's template, like /items/{id}, without what was filled in",
    "method": "GET, POST, …",
    "status_code": "Whether it worked: 200, 404, 500, …",
    "duration_ms": "How long it took, in milliseconds",
    "feature_name": "Which feature",
    "action": "What was done with it",
}
EVENTS = {
    "activity": ("Signing in and sessions", "that somebody signed in or out, or began a session"),
    "endpoint": ("Requests", "that the product answered a request, and how fast"),
    "feature": ("Use of features", "that a feature was used"),
}
NEVER = (
    "Names, e-mail addresses and phone numbers: attributes of such names are dropped, and so is every value "
    "that looks like an e-mail address",
    "IP addresses and user agents: they are neither stored nor written to logs",
    "Identifiers of users, organizations, sessions and installations: only pseudonyms of them remain",
    "Contents of requests and answers, and query strings: of an address only the template",
    "Passwords, keys, tokens, cookies and card numbers, wherever they appear",
    "Paths in somebody’s home directory",
    "Fingerprints of devices, and names of hosts",
    "Anything else that is not on this page: it is dropped on arrival",
)
PROFILES = {
    Profile.STRICT: "Nothing, until the organization and the person have both said yes.",
    Profile.ORGANIZATION: "Nothing, until the organization has said yes. Then it counts for its people too, "
    "except for those who say no.",
    Profile.NOTICE: "Events from the time on at which a notice was shown, until the organization or the "
    "person says no.",
}


class Listed(NamedTuple):
    """A declared attribute, in words."""

    name: str
    purpose: str
    why: str
    example: str
    allowed: str


class Event(NamedTuple):
    """One kind of event: what it tells, and its own columns, with what they are."""

    table: str
    title: str
    tells: str
    columns: list[tuple[str, str]]


class Arrived(NamedTuple):
    """Records of the last 30 days: kept; refused for want of consent; refused for another reason."""

    days: int
    accepted: int
    no_consent: int
    other: int


class Collected(NamedTuple):
    """All that the page says. `digest` names exactly this list (SHA-256)."""

    digest: str
    policy_version: str  # in force
    policy_text: str
    paragraphs: list[str]  # of the policy's text
    versions: list[PolicyVersion]  # published, the newest first
    base_is_on: bool
    detailed_is_on: bool
    base: list[Listed]
    detailed: list[Listed]
    events: list[Event]
    common: list[tuple[str, str]]  # columns that every event has
    never: tuple[str, ...]
    profiles: list[tuple[str, str]]  # deployment type, what holds for those who have not decided
    months: int  # events are kept so many months, and at most one more
    erases: bool  # what is held, when somebody opts out
    threshold: int  # groups of fewer people are hidden in reports
    arrived: Arrived


@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    """For everybody. `?format=json`, or an `Accept` that wants JSON rather than HTML, asks for JSON."""
    registry = active_registry()
    found = collected(registry)
    if _wants_json(request):
        response: HttpResponse = JsonResponse(as_json(found, registry), json_dumps_params={"indent": 2})
    else:
        response = render(
            request, "dashboards/privacy.html", {"title": "What we collect", "collected": found}
        )
    response["Cache-Control"] = "no-cache"  # what is dropped from the list is dropped from the page at once
    response["Vary"] = "Accept, Cookie"
    return response


def collected(registry: Registry) -> Collected:
    """All that the page says, with this registry. Raises a database error."""
    now = switches()
    attributes = registry.attributes.values()
    versions = list(PolicyVersion.objects.order_by("-id"))
    version_in_force = in_force().policy_version
    text = next((one.text for one in versions if one.version == version_in_force), "")
    return Collected(
        digest=registry.digest,
        policy_version=version_in_force,
        policy_text=text,
        paragraphs=[" ".join(part.split()) for part in BLANK_LINE.split(text) if part.strip()],
        versions=versions,
        base_is_on=now.base,
        detailed_is_on=now.detailed,
        base=[_listed(one) for one in attributes if one.tier == Tier.BASE],
        detailed=[_listed(one) for one in attributes if one.tier == Tier.DETAILED],
        events=[
            Event(key, *EVENTS[key], _columns(name for name, _ in table.columns))
            for key, table in TABLES.items()
        ],
        common=_columns([*(name for name, _ in COMMON_COLUMNS), "received_at"]),
        never=NEVER,
        profiles=[("Cloud", PROFILES[now.cloud]), ("Self-hosted", PROFILES[now.self_hosted])],
        months=months_kept(),
        erases=settings.ON_WITHDRAWAL == ERASE,
        threshold=settings.SUPPRESS_BELOW,
        arrived=_arrived(_counts.lately()),
    )


def as_json(found: Collected, registry: Registry) -> dict[str, Any]:
    """The same for programs, with every attribute as it is declared."""
    return {
        "registry_digest": found.digest,
        "policy_version": found.policy_version,
        "policy_text": found.policy_text,
        "versions": [
            {
                "version": one.version,
                "published_at": one.published_at,
                "registry_digest": one.registry_digest,
                "is_material": one.is_material,
                "changes": one.changes,
            }
            for one in found.versions
        ],
        "attributes": [attribute.as_declared() for attribute in registry.attributes.values()],
        "events": [
            {"table": TABLES[one.table].name, "tells": one.tells, "columns": dict(one.columns + found.common)}
            for one in found.events
        ],
        "event_names": sorted(registry.event_names),
        "endpoints": list(registry.endpoints),
        "never": list(found.never),
        "base_telemetry_enabled": found.base_is_on,
        "telemetry_enabled": found.detailed_is_on,
        "undecided": {name.lower(): said for name, said in found.profiles},
        "event_retention_months": {"least": found.months, "most": found.months + 1},
        "erased_on_withdrawal": found.erases,
        "groups_hidden_below": found.threshold,
        "last_days": found.arrived._asdict(),
    }


def _wants_json(request: HttpRequest) -> bool:
    if "format" in request.GET:
        return request.GET["format"] == "json"
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def _columns(names: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, COLUMNS[name]) for name in names]


def _listed(attribute: Attribute) -> Listed:
    example = attribute.example
    shown = str(example).lower() if isinstance(example, bool) else str(example)
    return Listed(attribute.name, attribute.purpose, attribute.why, shown, _allowed(attribute))


def _allowed(attribute: Attribute) -> str:
    """What of its values is let through, in words."""
    if attribute.kind == "boolean":
        return "yes or no"
    if attribute.kind == "choice":
        return f"one of: {', '.join(attribute.values)}; else “other”"
    if attribute.kind == "text":
        return f"a text of the example’s form, at most {attribute.max_length} characters"
    kind = "whole number" if attribute.kind == "integer" else "number"
    return f"a {kind} from {attribute.minimum or 0:,.10g} to {attribute.maximum or 0:,.10g}"


class _Counts:
    """The counts of the last days, at most a minute old: anybody may ask for this page."""

    def __init__(self) -> None:
        self._known: tuple[float, Traffic] | None = None

    def lately(self) -> Traffic:
        if self._known is None or time.monotonic() - self._known[0] > COUNTED_EVERY:
            self._known = time.monotonic(), traffic_by_day(DAYS)
        return self._known[1]

    def forget(self) -> None:
        self._known = None


_counts = _Counts()


def _arrived(traffic: Traffic) -> Arrived:
    refused: Mapping[str, int] = {
        outcome.reason: outcome.count for outcome in traffic.outcomes if outcome.outcome == "refused"
    }
    unwanted = sum(refused.get(reason, 0) for reason in NOT_AGREED)
    return Arrived(DAYS, traffic.accepted, unwanted, traffic.refused - unwanted)
