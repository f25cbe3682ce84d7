"""Who and when: subjects as pseudonyms, deterministic row ids, times within what is kept."""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from consent.pseudonyms import MAX_ID, NO_ID, keyed_digest, pseudonyms
from consent.registry.attributes import as_text
from ingest.otlp.records import Record, Resource
from postgres.instants import microseconds

USER_NAMES = ("user.id", "user_id", "enduser.id", "enduser.pseudo.id", "identity")
ORGANIZATION_NAMES = ("organization.id", "organization_id")
SESSION_NAMES = ("session.id", "session_id")
INSTALLATION_NAMES = ("app.installation.id", "install_id")
ID_NAMES = frozenset((*USER_NAMES, *ORGANIZATION_NAMES, *SESSION_NAMES, *INSTALLATION_NAMES))

_VERSION_BITS = 0x8 << 76 | 0b10 << 62  # of a UUID: version 8, and the variant
_DIGEST_BITS = (1 << 80) - 1 & ~(0xF << 76 | 0b11 << 62)
FUTURE = timedelta(hours=24)  # a sender's clock may be ahead by this much


class Refusal(Exception):
    """This record is refused by itself; `reason` is counted and named in the answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Subjects(msgspec.Struct, frozen=True, gc=False):
    """The pseudonyms that a record names, '' where it names none."""

    user: str
    organization: str
    session: str
    installation: str


class IdNames(NamedTuple):
    """The names of ids among some attribute names, of each kind, the one that counts first."""

    user: tuple[str, ...]
    organization: tuple[str, ...]
    session: tuple[str, ...]
    installation: tuple[str, ...]


_ID_NAMES = IdNames(USER_NAMES, ORGANIZATION_NAMES, SESSION_NAMES, INSTALLATION_NAMES)


def id_names(names: Collection[str]) -> IdNames:
    """Those that stand for an id."""
    return IdNames(*(tuple(name for name in kind if name in names) for kind in _ID_NAMES))


class _Pseudonyms(dict[str, str]):
    """The pseudonyms of one kind by raw id, '' for what only looks like an id. Lives as long as a request."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._make = pseudonyms(kind)

    def __missing__(self, text: str) -> str:
        stripped = text.strip()
        self[text] = found = "" if stripped.lower() in NO_ID else self._make(stripped)
        return found


class Identities:
    """Pseudonyms and row ids for the records of one request. Remembers what it has computed."""

    def __init__(self, now: datetime, kept_from: datetime) -> None:
        self._pseudonyms = [_Pseudonyms(kind) for kind in IdNames._fields]
        # Keyed once and copied for each record: half the cost of keying anew.
        self._keyed = hashlib.blake2b(digest_size=10, key=keyed_digest(b"row ids", 32))
        self._keyed_span = self._keyed.copy()
        self._keyed_span.update(b"span ")
        self._ordinals: Counter[bytes] = Counter()
        self._resource: tuple[Resource | None, bytes] = (None, b"")
        self._oldest, self._newest = microseconds(kept_from) * 1000, microseconds(now + FUTURE) * 1000

    def subjects(
        self,
        attributes: Mapping[str, Any],
        named: IdNames,
        of_resource: Mapping[str, Any],
        named_of_resource: IdNames,
    ) -> Subjects:
        """The subjects of a record, those of its resource where it names none itself. Raises `Refusal`."""
        users, organizations, sessions, installations = self._pseudonyms
        named_user, named_organization, named_session, named_installation = named
        others = named_of_resource
        return Subjects(
            (named_user and _subject(users, named_user, attributes))
            or (others.user and _subject(users, others.user, of_resource))
            or "",
            (named_organization and _subject(organizations, named_organization, attributes))
            or (others.organization and _subject(organizations, others.organization, of_resource))
            or "",
            (named_session and _subject(sessions, named_session, attributes))
            or (others.session and _subject(sessions, others.session, of_resource))
            or "",
            (named_installation and _subject(installations, named_installation, attributes))
            or (others.installation and _subject(installations, others.installation, of_resource))
            or "",
        )

    def nanoseconds(self, record: Record) -> int:
        """When the event happened, since 1970 UTC. Raises `Refusal`."""
        nanoseconds = record.time or (0 if record.is_span else record.observed)
        if not nanoseconds:
            raise Refusal("no_timestamp")  # arrival would make every retry a new row
        if nanoseconds < self._oldest:
            raise Refusal("too_old")
        if nanoseconds > self._newest:
            raise Refusal("in_future")
        return nanoseconds

    def row_id(self, record: Record, nanoseconds: int) -> bytes:
        """The 16 bytes of a UUID. The same event sent again has the same one.

        A log's trace and span ids are those of the span around it, which other logs share: they do not count.
        """
        if record.is_span and record.trace_id and record.span_id:
            digest = self._keyed_span.copy()
            digest.update(f"{record.trace_id} {record.span_id}".encode())
        else:
            uid = None if record.is_span else as_text(record.attributes.get("log.record.uid"))
            if uid:
                own = f"log {uid}".encode()
            else:
                content = self._content(record)
                self._ordinals[content] += 1
                own = b"content " + content + self._ordinals[content].to_bytes(4)
            digest = self._keyed.copy()
            digest.update(own)
        return uuid8(nanoseconds // 1_000_000, digest.digest())

    def _content(self, record: Record) -> bytes:
        """A digest of resource, scope and record as they were sent, before anything is left out."""
        known, encoded = self._resource
        if known is not record.resource:
            encoded = msgspec.json.encode(record.resource.attributes, order="sorted")
            self._resource = (record.resource, encoded)
        is_span, _, *own = msgspec.structs.astuple(record)
        rest = msgspec.json.encode((is_span, *own), order="sorted")
        return keyed_digest(encoded + b"\x00" + rest, 20)


def _subject(known: _Pseudonyms, names: tuple[str, ...], attributes: Mapping[str, Any]) -> str:
    for name in names:
        value = attributes[name]
        found = known.get(value) if type(value) is str else None
        if found is None:
            found = _new_subject(known, value)
        if found:
            return found
    return ""


def _new_subject(known: _Pseudonyms, value: Any) -> str:
    """The pseudonym of an id that this request has not told yet, '' for none. Raises `Refusal`."""
    if value is None:
        return ""
    text = as_text(value)
    if text is None:
        # A list or a truth value names someone, but we cannot tell whom: in doubt, not stored.
        raise Refusal("bad_id")
    if len(text) > MAX_ID:
        raise Refusal("id_too_long")
    return known[text]


def uuid8(milliseconds: int, digest: bytes) -> bytes:
    """A UUID of version 8 (RFC 9562): 48 bits of the event's time, then 74 bits of a digest of 10 bytes."""
    return (milliseconds << 80 | int.from_bytes(digest) & _DIGEST_BITS | _VERSION_BITS).to_bytes(16)
