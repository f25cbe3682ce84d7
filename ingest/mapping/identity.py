"""Who and when: pseudonyms of subjects, deterministic row ids, and times, which must be in bounds."""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from consent.pseudonyms import MAX_ID, NO_ID, keyed_digest, pseudonyms
from consent.registry.cleaning import as_text
from ingest.mapping.aliases import IDS, LOG_UID
from ingest.mapping.content import Contents
from ingest.otlp.records import Record
from postgres.instants import microseconds

_VERSION_BITS = 0x8 << 76 | 0b10 << 62  # of a UUID: version 8, and the variant
_DIGEST_BITS = (1 << 80) - 1 & ~(0xF << 76 | 0b11 << 62)
FUTURE = timedelta(hours=24)  # a sender's clock may be ahead by this much


class RecordRefused(Exception):
    """This record is refused, and no other; `reason` is one of `ingest/reasons.py`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Subjects(msgspec.Struct, frozen=True, gc=False):
    """The pseudonyms of the subjects that a record names, each '' if it names none."""

    user: str
    organization: str
    session: str
    installation: str


# Which kind of subject (its position in `Subjects`), and the names sent for it, the one that counts first.
SentIds = tuple[tuple[int, tuple[str, ...]], ...]


def sent_ids(names: Collection[str]) -> SentIds:
    """Which of these attribute names stand for an id, by kind; kinds without any are left out."""
    by_kind = (tuple(name for name in kind if name in names) for kind in IDS)
    return tuple((position, kind) for position, kind in enumerate(by_kind) if kind)


class ResourceSubjects(NamedTuple):
    """The pseudonyms of the subjects that a resource names; the reasons for ids that cannot be read."""

    pseudonyms: tuple[str, str, str, str]
    refusals: dict[int, str]


class _Pseudonyms(dict[str, str]):
    """The pseudonyms of one kind by raw id; '' for words that mean nobody. Lives as long as a request."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._make = pseudonyms(kind)

    def __missing__(self, text: str) -> str:
        stripped = text.strip()
        self[text] = pseudonym = "" if stripped.lower() in NO_ID else self._make(stripped)
        return pseudonym


class Identities:
    """Pseudonyms and row ids for the records of one request. Remembers what it has computed."""

    def __init__(self, now: datetime, kept_from: datetime) -> None:
        self._pseudonyms = [_Pseudonyms(kind) for kind in IDS._fields]
        # Keyed once and copied for each record: half the cost of keying anew.
        self._keyed = hashlib.blake2b(digest_size=10, key=keyed_digest(b"row ids", 32))
        self._keyed_span = self._keyed.copy()
        self._keyed_span.update(b"span ")
        self._ordinals: Counter[bytes] = Counter()
        self._contents = Contents()
        self._oldest, self._newest = microseconds(kept_from) * 1000, microseconds(now + FUTURE) * 1000

    def of_resource(self, attributes: Mapping[str, Any], ids: SentIds) -> ResourceSubjects:
        """The subjects of a resource, for the records that name none themselves."""
        subjects, refusals = ["", "", "", ""], {}
        for position, names in ids:
            try:
                subjects[position] = _first_pseudonym(self._pseudonyms[position], names, attributes)
            except RecordRefused as refused:
                refusals[position] = refused.reason
        user, organization, session, installation = subjects
        return ResourceSubjects((user, organization, session, installation), refusals)

    def subjects(self, attributes: Mapping[str, Any], ids: SentIds, others: ResourceSubjects) -> Subjects:
        """A record's subjects: each as the record names it, else its resource. Raises `RecordRefused`."""
        of_resource, refusals = others
        subjects, known = [*of_resource], self._pseudonyms
        for position, names in ids:
            pseudonym = _first_pseudonym(known[position], names, attributes)
            if pseudonym:
                subjects[position] = pseudonym
        if refusals:
            for position, reason in refusals.items():
                if not subjects[position]:
                    raise RecordRefused(reason)
        return Subjects(*subjects)

    def nanoseconds(self, record: Record) -> int:
        """When the event happened, since 1970 UTC. Raises `RecordRefused`."""
        nanoseconds = record.time or (0 if record.is_span else record.observed)
        if not nanoseconds:
            raise RecordRefused("no_timestamp")  # the time of arrival would make every retry a new row
        if nanoseconds < self._oldest:
            raise RecordRefused("too_old")
        if nanoseconds > self._newest:
            raise RecordRefused("in_future")
        return nanoseconds

    def row_id(self, record: Record, nanoseconds: int) -> bytes:
        """The 16 bytes of a UUID: the same event sent again gets the same one.

        A log record's trace and span ids are those of the span around it, which other log records share. So
        they are not used.
        """
        if record.is_span and record.trace_id and record.span_id:
            digest = self._keyed_span.copy()
            digest.update(f"{record.trace_id} {record.span_id}".encode())
        else:
            uid = None if record.is_span else as_text(record.attributes.get(LOG_UID))
            if uid:
                own = f"log {uid}".encode()
            else:
                content = self._contents.digest(record)
                self._ordinals[content] += 1
                own = b"content " + content + self._ordinals[content].to_bytes(4)
            digest = self._keyed.copy()
            digest.update(own)
        return uuid8(nanoseconds // 1_000_000, digest.digest())


def names_somebody(value: Any) -> bool:
    """Whether the value of an id attribute is an id, rather than a word that means nobody."""
    text = as_text(value)
    return text is not None and text.strip().lower() not in NO_ID


def _first_pseudonym(known: _Pseudonyms, names: tuple[str, ...], attributes: Mapping[str, Any]) -> str:
    """The pseudonym of the first of these ids that names somebody, else ''. Raises `RecordRefused`."""
    for name in names:
        value = attributes[name]
        pseudonym = known.get(value) if type(value) is str else None
        if pseudonym is None:
            pseudonym = _new_pseudonym(known, value)
        if pseudonym:
            return pseudonym
    return ""


def _new_pseudonym(known: _Pseudonyms, value: Any) -> str:
    """The pseudonym of an id that is new to this request, '' for nobody. Raises `RecordRefused`."""
    if value is None:
        return ""
    text = as_text(value)
    if text is None:
        # A list or a boolean may name someone, but we cannot tell whom: when in doubt, it is not stored.
        raise RecordRefused("bad_id")
    if len(text) > MAX_ID:
        raise RecordRefused("id_too_long")
    return known[text]


def uuid8(milliseconds: int, digest: bytes) -> bytes:
    """A UUID of version 8 (RFC 9562): 48 bits of the event's time, then 74 bits of a digest of 10 bytes."""
    return (milliseconds << 80 | int.from_bytes(digest) & _DIGEST_BITS | _VERSION_BITS).to_bytes(16)
