"""What the subjects of one request permit, as of one reading of the database."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from consent.gate.refusals import ORGANIZATION, USER, Refusals, refusals
from consent.gate.rules import StatePeriod, notice_in_force, profile_of
from consent.gate.switches import switches
from consent.gate.windows import AboutOrganization, Window, Windows, is_within, windows
from consent.pseudonyms import ANONYMOUS
from postgres.instants import microseconds

Span = tuple[int, int]  # a window in microseconds since 1970; the end is exclusive
_WITHOUT_END = 1 << 62
ALWAYS: Span = (0, _WITHOUT_END)


class Registered(NamedTuple):
    """An organization's registration, apart from its decisions."""

    deployment_type: str
    is_internal: bool
    notice_since: datetime | None


class OtherRegistry(Exception):
    """Events were filtered by another registry than the active one (`digest`): filter them again."""

    def __init__(self, digest: str) -> None:
        super().__init__("another registry is active")
        self.digest = digest


class Permissions:
    """Whether events may be stored, answered from the decisions that were read for one request."""

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
        self.registry_digest = registry_digest  # of the active registry; '' before there is one
        self._material_since = material_since
        self._tombstones = tombstones or {}
        self._users = users
        self._organizations = organizations
        self._registered = registered
        self._now = now
        self._switches = switches()
        self._about: dict[str, AboutOrganization] = {}
        self._whys: dict[tuple[str, str], tuple[str, Refusals]] = {}  # today's reason, and those of all times

    def allows(self, organization: str, user: str, at: datetime) -> bool:
        """Whether a detailed event dated `at` may be stored. '' means that no such subject is named.

        `user` may also be the `anon:` form that stands in for a user.
        """
        return is_within(self._windows_of(organization, user), at)

    def spans(self, organization: str, user: str) -> Sequence[Span]:
        """The event times that `allows` allows, for callers that check many events at once."""
        return [
            (microseconds(since), microseconds(until) if until else _WITHOUT_END)
            for since, until in self._windows_of(organization, user)
        ]

    def why_not(self, organization: str, user: str, at: datetime) -> str:
        """Why an event that `allows` does not allow is refused: a reason of `ingest/reasons.py`.

        Today's state comes first: it may forbid what was allowed then. If neither does, a subject was erased.
        """
        why = self._whys.get((organization, user))
        if why is None:  # asked for each event that is refused
            decided = self._decided(organization, user)
            found = refusals(*decided)
            why = self._whys[organization, user] = found.at(self._today(windows(*decided))), found
        if reason := why[0] or why[1].at(at):
            return reason
        erased_until = self._tombstones.get(organization)
        return ORGANIZATION if erased_until is not None and at <= erased_until else USER

    def require_registry(self, digest: str) -> None:
        """Raises `OtherRegistry` unless this registry is active. '' is for events that none has filtered."""
        if digest and self.registry_digest not in ("", digest):
            raise OtherRegistry(self.registry_digest)

    def erased_until(self, subject: str) -> datetime | None:
        """The time up to which this subject is erased; None if it never was."""
        return self._tombstones.get(subject)

    def internal(self) -> frozenset[str]:
        """The organizations whose events are internal use."""
        return frozenset(
            pseudonym for pseudonym, registered in self._registered.items() if registered.is_internal
        )

    def _windows_of(self, organization: str, user: str) -> Sequence[Window]:
        """The windows of event time that may be stored. There are none if today's state forbids storing."""
        found = windows(*self._decided(organization, user))
        if not is_within(found.open, self._today(found)):
            return ()
        return self._not_erased(found.open, organization, user)

    def _today(self, found: Windows) -> datetime:
        """The last decision counts today, whatever a clock says.

        This request may have waited for a withdrawal younger than its `now`, or for one that another
        machine's clock dated ahead.
        """
        last_decision = found.last_decision
        return self._now if last_decision is None else max(self._now, last_decision)

    def _decided(
        self, organization: str, user: str
    ) -> tuple[AboutOrganization, tuple[StatePeriod, ...] | None]:
        """What the rules ask about these two; None for the user if none is named."""
        about = self._about.get(organization)
        if about is None:
            about = self._about[organization] = self._about_organization(organization)
        is_named = user and not user.startswith(ANONYMOUS)
        return about, tuple(self._users.get(user, ())) if is_named else None

    def _not_erased(self, opened: Sequence[Window], organization: str, user: str) -> Sequence[Window]:
        """The parts of these windows that lie after the subjects' tombstones."""
        erased = [self._tombstones[name] for name in (organization, user) if name in self._tombstones]
        if not erased:
            return opened
        after = max(erased) + timedelta(microseconds=1)
        return [(max(since, after), until) for since, until in opened if until is None or until > after]

    def _about_organization(self, organization: str) -> AboutOrganization:
        registered = self._registered.get(organization)
        notice_since = (registered.notice_since if registered else None) or self._switches.notice_since
        return AboutOrganization(
            profile_of(registered.deployment_type if registered else None, self._switches),
            notice_in_force(notice_since, self._material_since),
            tuple(self._organizations.get(organization, ())) if organization else None,
            self._switches.detailed,
        )
