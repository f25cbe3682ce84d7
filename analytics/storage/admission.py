"""Which events may be stored: consent, do-not-track and the base telemetry switch, event by event."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from django.db import connections
from django.utils import timezone

from analytics.storage.rows import BaseEvent, Row
from analytics.storage.seal_border import sealed_until
from analytics.storage.seen_with import MOST_PEOPLE, People, names_of, of_nobody, people_of, read_people
from consent.gate import gate
from consent.gate.permissions import ALWAYS, Permissions, Span
from consent.gate.refusals import SWITCHED_OFF
from consent.gate.switches import base_allowed, switches
from postgres.instants import instant, microseconds

NOBODY: Mapping[str, Collection[str]] = MappingProxyType({})


def admit_rows(
    rows: Sequence[Row],
    permissions: "Permissions | AllAllowed",
    refused: Counter[str],
    people: Mapping[str, Collection[str]] = NOBODY,
    *,
    sealed_until: datetime,
) -> list[Row]:
    """The rows that may be stored; the others are counted in `refused`.

    `people` says whose sessions and installations are: of those that a row without a user belongs to, the
    most restrictive decides.
    """
    open_from = microseconds(sealed_until)
    internal = permissions.internal()
    spans: dict[tuple[str, str], Sequence[Span]] = {}
    admitted = []
    for row in rows:
        if row.do_not_track:
            refused["do_not_track"] += 1
            continue
        if row.timestamp < open_from:
            refused["too_old"] += 1
            continue
        who, at = (row.organization_id, row.user_id), row.timestamp
        allowed = spans.get(who)
        if allowed is None:
            allowed = spans[who] = permissions.spans(*who)
        for since, until in allowed:
            if since <= at < until:
                break
        else:
            refused[permissions.why_not(*who, instant(at))] += 1
            continue
        if people and not row.user and not _their_people_allow(row, permissions, people):
            refused["no_consent_user"] += 1  # of somebody whose session it is
            continue
        if internal and not row.is_internal and row.organization_id in internal:
            row = row._replace(is_internal=True)
        admitted.append(row)
    return admitted


def _their_people_allow(
    row: Row, permissions: "Permissions | AllAllowed", people: Mapping[str, Collection[str]]
) -> bool:
    """Whether all whose session (or installation) this is allow the event. Too many to ask: no."""
    theirs = people_of(row, people)
    return len(theirs) <= MOST_PEOPLE and all(
        any(since <= row.timestamp < until for since, until in permissions.spans(row.organization_id, user))
        for user in theirs
    )


def admit_base_events(base_events: Sequence[BaseEvent], refused: Counter[str]) -> list[BaseEvent]:
    """The base events that may be stored, in one order for every request; the others are counted."""
    if not base_events:
        return []
    if not base_allowed():
        refused["base_telemetry_off"] += len(base_events)
        return []
    admitted = [event for event in base_events if not event.do_not_track]
    if len(admitted) < len(base_events):
        refused["do_not_track"] += len(base_events) - len(admitted)
    return sorted(admitted, key=lambda event: (event.installation, event.timestamp, event.id))


class AllAllowed:
    """Stands in for `Permissions` where an answer must not depend on consent: all is allowed.

    Unless detailed events are switched off for everybody, which such keys are told.
    """

    def spans(self, organization: str, user: str) -> Sequence[Span]:
        return [ALWAYS] if switches().detailed else []

    def why_not(self, organization: str, user: str, at: datetime) -> str:
        return SWITCHED_OFF

    def internal(self) -> frozenset[str]:
        return frozenset()


def foretell(event: Row | BaseEvent, *, asks_consent: bool = True) -> tuple[Row | BaseEvent, str]:
    """For a dry run: the event as it would be stored now, and why it would be refused, or ''.

    Follows the rules and reads the consent that `store.py` does, but takes no locks and writes nothing.
    Without `asks_consent`, the answer is the same whatever anybody has decided.
    """
    refused: Counter[str] = Counter()
    admitted: Sequence[Row | BaseEvent]
    if isinstance(event, Row) and not asks_consent:
        admitted = admit_rows([event], AllAllowed(), refused, sealed_until=sealed_until())
    elif isinstance(event, Row):
        people: People = {}
        if names := [name for row in of_nobody([event]) for name in names_of(row)]:
            connections["analytics"].ensure_connection()
            people = read_people(connections["analytics"].connection, names)
        users = {event.user_id}.union(*people.values())
        permissions = gate.read_permissions(users, {event.organization_id} - {""}, timezone.now())
        admitted = admit_rows([event], permissions, refused, people, sealed_until=sealed_until())
    else:
        admitted = admit_base_events([event], refused)
    return (admitted[0] if admitted else event), "".join(refused)
