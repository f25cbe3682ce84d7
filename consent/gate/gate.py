"""The consent gate: which events of a request may be stored, read from the database each time.

Called by `analytics/storage/store.py` inside its transaction, after the barrier's locks (`barrier.py`) and
in a statement of its own: what it reads is then newer than any withdrawal that has been answered.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import repeat
from typing import NamedTuple

from django.conf import settings
from django.db import connections
from django.utils.dateparse import parse_datetime

from consent.gate.rules import (
    Profile,
    StatePeriod,
    Switches,
    Tier,
    notice_in_force,
    profile_of,
    states_at,
    tier,
    with_stale,
)
from consent.models import InForce, State
from consent.pseudonyms import ANONYMOUS
from postgres.instants import microseconds
from postgres.pipeline import Statement, ask, moment, text_array

# Everything the policy asks about the subjects of one request, in one round trip.
SUBJECTS = Statement(
    """
SELECT 'user', subject, state, since, until, NULL::text, false
  FROM consent_consentperiod WHERE subject = ANY($1) AND subject_kind = 'user' AND NOT is_superseded
UNION ALL
SELECT 'organization', subject, state, since, until, NULL::text, false
  FROM consent_consentperiod WHERE subject = ANY($2) AND subject_kind = 'organization' AND NOT is_superseded
UNION ALL
SELECT 'registered', pseudonym, NULL, notice_since, NULL, deployment_type, is_internal
  FROM consent_organization WHERE pseudonym = ANY($2)
UNION ALL
SELECT 'tombstone', subject, NULL, until, NULL, NULL, false
  FROM consent_tombstone WHERE subject = ANY($1 || $2)
UNION ALL
SELECT 'in_force', registry_digest, NULL, material_since, NULL, NULL, undecided_kept FROM consent_inforce
""",
    "text[]",
    "text[]",
)

Window = tuple[datetime, datetime | None]
Span = tuple[int, int]  # the same as microseconds since 1970; the end is not part of it
_WITHOUT_END = 1 << 62
_STATES = {state.value: state for state in State}


class Registered(NamedTuple):
    """What is registered of an organization, apart from its decisions."""

    deployment_type: str
    is_internal: bool
    notice_since: datetime | None


class OtherRegistry(Exception):
    """What was to be stored was filtered by another registry than the active one: filter it again."""

    def __init__(self, digest: str) -> None:
        super().__init__("another registry is active")
        self.digest = digest


class Permissions:
    """The answers for the subjects of one request, as of one reading."""

    def __init__(
        self,
        users: dict[str, list[StatePeriod]],
        organizations: dict[str, list[StatePeriod]],
        registered: dict[str, Registered],
        now: datetime,
        *,
        material_since: datetime | None = None,
        registry_digest: str = "",
        tombstones: dict[str, datetime] | None = None,
    ) -> None:
        self.registry_digest = registry_digest  # of the active registry; '' when there is none yet
        self._material_since = material_since
        self._tombstones = tombstones or {}
        self._users = users
        self._organizations = organizations
        self._registered = registered
        self._now = now
        self._switches = switches()
        self._about: dict[str, AboutOrganization] = {}

    def allows(self, organization: str, user: str, at: datetime) -> bool:
        """Whether a detailed event dated `at` may be stored. '' stands for a subject not named.

        `user` may also be the `anon:` form that is stored instead of one.
        """
        return _is_within(self._windows_of(organization, user), at)

    def spans(self, organization: str, user: str) -> Sequence[Span]:
        """The times of the events that `allows` allows, for who asks it of many."""
        return [
            (microseconds(since), microseconds(until) if until else _WITHOUT_END)
            for since, until in self._windows_of(organization, user)
        ]

    def require_registry(self, digest: str) -> None:
        """Raises `OtherRegistry` unless this one is active; '' for what no registry has filtered."""
        if digest and self.registry_digest not in ("", digest):
            raise OtherRegistry(self.registry_digest)

    def internal(self) -> frozenset[str]:
        """The organizations whose events are our own use."""
        return frozenset(name for name, known in self._registered.items() if known.is_internal)

    def _windows_of(self, organization: str, user: str) -> Sequence[Window]:
        """The spans of event time that may be stored; none at all unless today's state allows it too."""
        about = self._about.get(organization)
        if about is None:
            about = self._about[organization] = self._about_organization(organization)
        is_named = user and not user.startswith(ANONYMOUS)
        decided = tuple(self._users.get(user, ())) if is_named else None
        found, last = windows(about, decided)
        # Today's state is the one decided last, whatever a clock says: this request may have waited for
        # a withdrawal that is younger than its `now`, or that another machine's clock has dated ahead.
        today = self._now if last is None or last < self._now else last
        return self._not_erased(found, organization, user) if _is_within(found, today) else ()

    def _not_erased(self, found: Sequence[Window], organization: str, user: str) -> Sequence[Window]:
        """What of these spans lies after the tombstones."""
        erased = [self._tombstones[name] for name in (organization, user) if name in self._tombstones]
        if not erased:
            return found
        after = max(erased) + timedelta(microseconds=1)
        return [(max(since, after), until) for since, until in found if until is None or until > after]

    def _about_organization(self, organization: str) -> "AboutOrganization":
        known = self._registered.get(organization)
        return AboutOrganization(
            profile_of(known.deployment_type if known else None, self._switches),
            notice_in_force(
                (known.notice_since if known else None) or self._switches.notice_since, self._material_since
            ),
            tuple(self._organizations.get(organization, ())) if organization else None,
            self._switches.detailed,
        )


class AboutOrganization(NamedTuple):
    """All that the policy asks about an event, apart from its user and its time."""

    profile: Profile
    notice_since: datetime | None
    periods: tuple[StatePeriod, ...] | None  # None when no organization is named
    detailed_on: bool


@lru_cache(maxsize=16384)
def windows(
    about: AboutOrganization, user: tuple[StatePeriod, ...] | None
) -> tuple[tuple[Window, ...], datetime | None]:
    """The spans of event time that these decisions allow, and when the last of them was.

    `user` is None when none is named. The same decisions are read with every request, so the answers
    are remembered.
    """

    decided = {
        edge
        for period in (*(about.periods or ()), *(user or ()))
        for edge in (period.since, period.until)
        if edge
    }
    # Between two edges nothing changes, so one look at each edge decides up to the next. Before
    # the first one nobody has decided anything and no notice was shown: never stored.
    edges = sorted(decided | ({about.notice_since} if about.notice_since else set()))
    nobody: Iterable[None] = repeat(None)
    of_organization = nobody if about.periods is None else states_at(about.periods, edges)
    of_user = nobody if user is None else states_at(user, edges)
    found = tuple(
        (since, until)
        for since, until, organization_state, user_state in zip(
            edges, (*edges[1:], None), of_organization, of_user, strict=False
        )
        if Tier.DETAILED
        is tier(
            profile=about.profile,
            organization=organization_state,
            user=user_state,
            at=since,
            notice_since=about.notice_since,
            detailed_on=about.detailed_on,
        )
    )
    return found, max(decided, default=None)


def _is_within(found: Sequence[Window], at: datetime) -> bool:
    return any(since <= at and (until is None or at < until) for since, until in found)


def switches() -> Switches:
    """The operator's settings, as the policy reads them."""
    return Switches(
        detailed=settings.TELEMETRY_ENABLED,
        base=settings.BASE_TELEMETRY_ENABLED,
        cloud=Profile(settings.CONSENT_PROFILE_CLOUD),
        self_hosted=Profile(settings.CONSENT_PROFILE_SELF_HOSTED),
        notice_since=parse_datetime(settings.CONSENT_NOTICE_SINCE) if settings.CONSENT_NOTICE_SINCE else None,
    )


def base_allowed() -> bool:
    """Whether base events are kept; apart from the event's own signal nobody else is asked."""
    return settings.BASE_TELEMETRY_ENABLED is True


def permissions(users: Collection[str], organizations: Collection[str], now: datetime) -> Permissions:
    """Read what the policy needs for these pseudonyms: one query on the operational database.

    `users` may hold `anon:` forms too: they have no decisions, but may have been erased. That the
    undecided may be kept is noted before the first of them is (`policies.were_undecided_kept`).
    """
    periods: dict[bytes, dict[str, list[StatePeriod]]] = {b"user": {}, b"organization": {}}
    registered: dict[str, Registered] = {}
    tombstones: dict[str, datetime] = {}
    digest, material_since, is_noted = "", None, True
    default = connections["default"]
    default.ensure_connection()
    named = (text_array(users), text_array(organizations))
    (found,) = ask(default.connection, (SUBJECTS, named))
    value = found.get_value
    for row in range(found.ntuples):
        kind, subject = value(row, 0) or b"", (value(row, 1) or b"").decode()
        state, since, until = value(row, 2), value(row, 3), value(row, 4)
        if kind in periods:
            periods[kind].setdefault(subject, []).append(_period(state or b"", since or b"", until))
        elif kind == b"tombstone":
            erased = moment(since or b"")
            tombstones[subject] = max(erased, tombstones.get(subject, erased))
        elif kind == b"in_force":
            digest, material_since = subject, moment(since) if since else None
            is_noted = value(row, 6) == b"\1"
        else:
            deployment_type = (value(row, 5) or b"").decode()
            registered[subject] = Registered(
                deployment_type, value(row, 6) == b"\1", moment(since) if since else None
            )
    if not is_noted and switches().keep_undecided:
        InForce.objects.update(undecided_kept=True)
        return permissions(users, organizations, now)  # a denial may have been recorded before it was noted
    if material_since:  # which may not have been written into each subject's periods yet
        for subjects in periods.values():
            for subject, decided in subjects.items():
                subjects[subject] = with_stale(decided, material_since)
    return Permissions(
        periods[b"user"],
        periods[b"organization"],
        registered,
        now,
        material_since=material_since,
        registry_digest=digest,
        tombstones=tombstones,
    )


@lru_cache(maxsize=16384)
def _period(state: bytes, since: bytes, until: bytes | None) -> StatePeriod:
    return StatePeriod(_STATES[state.decode()], moment(since), moment(until) if until else None)
