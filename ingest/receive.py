"""One request's way: decode, route and scrub, ask consent and store, count, answer.

HTTP and gRPC both enter here.
"""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from django.utils import timezone

from analytics.partitions import oldest_kept_month
from analytics.storage.rows import Row
from analytics.storage.store import Receipt, StoreUnavailable, Storing
from consent.gate.gate import OtherRegistry
from consent.models import Key
from consent.policies.activation import adopt, working_registry
from consent.policies.event_lifetime import months_kept
from consent.registry.registry import Registry, RegistryError
from ingest.mapping import undeclared
from ingest.mapping.name_limits import cap_new_names, known_names
from ingest.mapping.rows import Mapped, RowMaker
from ingest.otlp import json, metrics, protobuf
from ingest.otlp.records import Batch
from ingest.otlp.status import JSON, PROTOBUF
from ingest.traffic import counting

DECODERS: dict[tuple[str, str], Callable[[bytes], Batch]] = {
    ("traces", JSON): json.decode_traces,
    ("traces", PROTOBUF): protobuf.decode_traces,
    ("logs", JSON): json.decode_logs,
    ("logs", PROTOBUF): protobuf.decode_logs,
}
ATTEMPTS = 3  # at one request, should the registry change meanwhile
NO_METRICS = "Candid keeps events from traces and logs; metrics are not kept"

# Every reason for which a single record is refused, in words for the developer who reads the answer.
REASONS = {
    "no_consent": "no consent for the organization or the user it names",
    "do_not_track": "it asks not to be tracked",
    "base_telemetry_off": "base telemetry is switched off here",
    "unroutable": "no rule says which table it belongs to",
    "incomplete": "it lacks its event type or feature name",
    "no_timestamp": "it has no time",
    "too_old": "it is older than what is kept",
    "in_future": "it is dated more than 24 hours ahead",
    "id_too_long": "an id is longer than 1024 characters",
    "bad_id": "an id is neither text nor a number",
    "other_organization": "this key belongs to another organization",
    "personal_data": "its name looks personal or secret",
    "free_text": "its name reads like free text, not like the name of a thing",
    "no_installation": "it names no installation",
    "malformed": "a field has a wrong type",
    "unstorable": "the database would not take it",
}


class Answer(NamedTuple):
    """What the sender is told: how many items were refused, and why. Zero and '' when all is well."""

    rejected: int
    message: str


def receive(
    *,
    signal: str,
    encoding: str,
    body: bytes,
    key: Key,
    do_not_track: bool = False,
    now: datetime | None = None,
) -> Answer:
    """Store what a request holds and may be stored. Returning means committed.

    `signal` is `traces`, `logs` or `metrics`, `encoding` one of the two content types. Raises
    `DecodeError`, and `StoreUnavailable` (nothing is known to be stored; sending again is safe).
    """
    if signal == "metrics":
        return _receive_metrics(encoding, body, key)
    now = now or timezone.now()
    stored = _store(DECODERS[signal, encoding], body, key, do_not_track=do_not_track, now=now)
    mapped, receipt = stored.mapped, stored.receipt
    if not mapped.total and not stored.malformed:
        return Answer(0, "")
    refused = mapped.refused + Counter(receipt.refused) + Counter(malformed=stored.malformed)
    counting.count(key.pk, signal, "accepted", "", receipt.inserted)
    counting.count(key.pk, signal, "duplicate", "", receipt.duplicates)
    for reason, number in refused.items():
        counting.count(key.pk, signal, "refused", reason, number)
    if stored.looks and stored.admitted and undeclared.takes_its_turn(key.pk):
        names = undeclared.undeclared(stored.admitted, mapped.rows, mapped.sources, stored.registry)
        counting.note_names(key.pk, names)
    return Answer(refused.total(), message_of(refused, mapped.total + stored.malformed))


class _Stored(NamedTuple):
    """What became of a request's records, and by which registry."""

    mapped: Mapped
    malformed: int
    admitted: list[Row]
    receipt: Receipt
    registry: Registry
    looks: bool  # for undeclared names


def _store(
    decode: Callable[[bytes], Batch], body: bytes, key: Key, *, do_not_track: bool, now: datetime
) -> _Stored:
    """Decode, map and store; from the start again when another registry has become active meanwhile."""
    try:
        registry = working_registry()
        for _ in range(ATTEMPTS):
            try:
                return _store_by(registry, decode(body), key, do_not_track=do_not_track, now=now)
            except OtherRegistry as other:
                registry = adopt(other.digest)
    except RegistryError as error:
        raise StoreUnavailable("no registry can be read") from error
    raise StoreUnavailable("the registry changes faster than events can be stored")


def _store_by(registry: Registry, batch: Batch, key: Key, *, do_not_track: bool, now: datetime) -> _Stored:
    looks = undeclared.is_due(key.pk)
    mapped = row_maker(key, do_not_track, now, registry).map(batch.records, keep=looks)
    today = now.astimezone(UTC).date()
    every: list[Row] = []
    storing = Storing(mapped.rows, mapped.base_events, registry=registry.digest)
    for attempt in storing.attempts():
        with attempt:
            admitted = attempt.admit()
            # Only here: an event that is refused leaves no trace, not even its name.
            attempt.write(cap_new_names(admitted, key_id=key.pk, today=today))
            every += admitted
    return _Stored(mapped, batch.malformed, every, storing.receipt, registry, looks)


def row_maker(key: Key, do_not_track: bool, now: datetime, registry: Registry) -> RowMaker:
    """What makes the rows of one request with this key."""
    return RowMaker(
        organization=key.organization,
        do_not_track=do_not_track,
        now=now,
        kept_from=oldest_kept_month(now, months_kept()).starts_at,
        registry=registry,
        routes=known_names.routes(key.pk, registry),
    )


def count_points(encoding: str, body: bytes) -> int:
    """How many data points a request of metrics holds. Raises `DecodeError`."""
    return metrics.count_json(body) if encoding == JSON else metrics.count_protobuf(body)


def _receive_metrics(encoding: str, body: bytes, key: Key) -> Answer:
    points = count_points(encoding, body)
    counting.count(key.pk, "metrics", "refused", "metrics_not_kept", points)
    return Answer(points, NO_METRICS)


def message_of(refused: Counter[str], total: int) -> str:
    """`2 of 7 refused: 1 no_consent (…), 1 unroutable (…)`; '' when none was."""
    if not refused.total():
        return ""
    reasons = ", ".join(
        f"{number} {reason} ({REASONS.get(reason, reason)})" for reason, number in refused.most_common()
    )
    return f"{refused.total()} of {total} refused: {reasons}"
