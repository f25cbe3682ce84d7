"""The path of one request, in one place: decode → map → gate → write → count → answer.

HTTP and gRPC both call `receive`, with a key that they have admitted (`http/rules.py`, `grpc/service.py`).
What Sentry-shaped clients send by HTTP takes the same path: it is decoded into the same records.
"""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from django.utils import timezone

from analytics.partitions import oldest_kept_month
from analytics.storage.rows import Row
from analytics.storage.store import Receipt, StoreUnavailable, Storing
from consent.gate.permissions import OtherRegistry
from consent.models import Key
from consent.policies.activation import adopt, working_registry
from consent.policies.event_lifetime import months_kept
from consent.registry.registry import Registry, RegistryError
from ingest.mapping import sentry, undeclared
from ingest.mapping.name_limits import RouteBook, cap_new_names, known_names
from ingest.mapping.rows import Mapped, RowMaker
from ingest.otlp import json, metrics, protobuf
from ingest.otlp.records import Batch
from ingest.otlp.status import JSON, PROTOBUF
from ingest.reasons import answer_words, parted, told
from ingest.sentry import addresses
from ingest.traffic import counting

DECODERS: dict[tuple[str, str], Callable[[bytes], Batch]] = {
    ("traces", JSON): json.decode_traces,
    ("traces", PROTOBUF): protobuf.decode_traces,
    ("logs", JSON): json.decode_logs,
    ("logs", PROTOBUF): protobuf.decode_logs,
    (addresses.SIGNAL, addresses.ENVELOPE): sentry.decode_envelope,
    (addresses.SIGNAL, addresses.STORE): sentry.decode_store,
}
MAX_FIELDS = 8  # named in one answer
ATTEMPTS = 3  # to store one request while the active registry changes
NO_METRICS = "Candid keeps events from traces and logs; metrics are not kept"


class PartialSuccess(NamedTuple):
    """What the sender is told: how many records (or data points) were refused, and why. 0 and '' if none.

    A message without a number is OTLP's warning: nothing was refused, but nothing was an event either.

    To some keys, records without consent count as accepted (`Key.is_told_of_consent`): the answer does not
    depend on what anybody has decided.
    """

    rejected: int
    message: str
    event_id: str = ""  # what a Sentry-shaped client calls what it has sent


def receive(
    *,
    signal: str,
    encoding: str,
    body: bytes,
    key: Key,
    do_not_track: bool = False,
    now: datetime | None = None,
) -> PartialSuccess:
    """Store whatever may be stored of a request. Returning means committed.

    `signal` and `encoding` are a pair of `DECODERS`; or `metrics`, with one of the two content types. Raises
    `DecodeError`, and `StoreUnavailable` (perhaps nothing was stored; sending again is safe).
    """
    if signal == "metrics":
        return _refuse_metrics(encoding, body, key)
    now = now or timezone.now()
    stored = _decode_and_store(DECODERS[signal, encoding], body, key, do_not_track=do_not_track, now=now)
    malformed = stored.malformed.total()
    reasons = stored.mapped.refused + Counter(stored.receipt.refused) + Counter(malformed=malformed)
    refused, skipped = parted(reasons)
    _count(key.pk, signal, stored.receipt, refused, skipped)
    _note_undeclared_names(key.pk, stored)
    named = told(refused, of_consent=key.is_told_of_consent)
    total = stored.mapped.total + malformed
    message = message_of(named, total, stored.malformed, skipped)
    return PartialSuccess(named.total(), message, stored.event_id)


class _Stored(NamedTuple):
    """What became of a request's records, and under which registry."""

    mapped: Mapped
    malformed: Counter[str]  # by field
    admitted: list[Row]
    receipt: Receipt
    registry: Registry
    event_id: str


def _decode_and_store(
    decode: Callable[[bytes], Batch], body: bytes, key: Key, *, do_not_track: bool, now: datetime
) -> _Stored:
    """Decode, map, gate and write; all of it again if another registry has become active meanwhile."""
    try:
        registry = working_registry()
        for _ in range(ATTEMPTS):
            try:
                return _store(decode(body), registry, key, do_not_track=do_not_track, now=now)
            except OtherRegistry as other:
                registry = adopt(other.digest)
    except RegistryError as error:
        raise StoreUnavailable("no registry can be read") from error
    raise StoreUnavailable("the registry changes faster than events can be stored")


def _store(batch: Batch, registry: Registry, key: Key, *, do_not_track: bool, now: datetime) -> _Stored:
    maker = row_maker(key, do_not_track, now, registry)
    mapped = maker.map(batch.records, keep_sources=undeclared.is_due(key.pk))
    today = now.astimezone(UTC).date()
    stored: list[Row] = []
    storing = Storing(mapped.rows, mapped.base_events, registry=registry.digest)
    for attempt in storing.attempts():
        with attempt:
            admitted = attempt.admit()
            # Only here: an event that is refused leaves no trace, not even its name.
            attempt.write(cap_new_names(admitted, key_id=key.pk, today=today))
            stored += admitted
    return _Stored(mapped, batch.malformed, stored, storing.receipt, registry, batch.event_id)


def row_maker(
    key: Key, do_not_track: bool, now: datetime, registry: Registry, *, knows_routes: bool = True
) -> RowMaker:
    """The `RowMaker` for one request with this key. `knows_routes`: raw paths match what the key has sent."""
    return RowMaker(
        organization=key.organization,
        do_not_track=do_not_track,
        now=now,
        kept_from=oldest_kept_month(now, months_kept()).starts_at,
        registry=registry,
        routes=known_names.routes(key.pk, registry) if knows_routes else RouteBook(registry.endpoints),
    )


def _count(key_id: int, signal: str, receipt: Receipt, refused: Counter[str], skipped: Counter[str]) -> None:
    counting.count(key_id, signal, "accepted", "", receipt.inserted)
    counting.count(key_id, signal, "duplicate", "", receipt.duplicates)
    for reason, number in refused.items():
        counting.count(key_id, signal, "refused", reason, number)
    for reason, number in skipped.items():
        counting.count(key_id, signal, "skipped", reason, number)


def _note_undeclared_names(key_id: int, stored: _Stored) -> None:
    if stored.mapped.sources and stored.admitted and undeclared.takes_its_turn(key_id):
        names = undeclared.undeclared(
            stored.admitted, stored.mapped.rows, stored.mapped.sources, stored.registry
        )
        counting.note_names(key_id, names)


def _refuse_metrics(encoding: str, body: bytes, key: Key) -> PartialSuccess:
    refused, malformed = refused_points(encoding, body)
    for reason, number in refused.items():
        counting.count(key.pk, "metrics", "refused", reason, number)
    message = NO_METRICS
    if malformed:
        message += f"; {refused['malformed']} malformed ({_malformed_words(malformed)})"
    return PartialSuccess(refused.total(), message)


def refused_points(encoding: str, body: bytes) -> tuple[Counter[str], Counter[str]]:
    """The data points of a request of metrics by reason, and the malformed by field. Raises `DecodeError`."""
    points = metrics.count_json(body) if encoding == JSON else metrics.count_protobuf(body)
    refused = Counter(metrics_not_kept=points.sound, malformed=points.malformed.total())
    return refused, points.malformed


def message_of(
    refused: Counter[str],
    total: int,
    malformed: Counter[str] | None = None,
    skipped: Counter[str] | None = None,
) -> str:
    """`2 of 7 refused: 1 no_consent (…), 1 malformed (…: spanId); 3 of 7 skipped: …`; '' if there is none.

    Records that were skipped beside others are not worth a warning in every client's log. Where a request
    holds nothing else, the sender is told: perhaps an event lacks its attributes.
    """
    parts = (
        [f"{refused.total()} of {total} refused: {_listed(refused, malformed)}"] if refused.total() else []
    )
    if skipped and (parts or skipped.total() == total):
        parts.append(f"{skipped.total()} of {total} skipped: {_listed(skipped)}")
    return "; ".join(parts)


def _listed(refused: Counter[str], malformed: Counter[str] | None = None) -> str:
    words = {reason: answer_words(reason) for reason in refused} | {"malformed": _malformed_words(malformed)}
    return ", ".join(
        f"{number} {reason} ({words[reason]})" for reason, number in refused.most_common() if number
    )


def _malformed_words(fields: Counter[str] | None) -> str:
    """What is wrong, and the fields at fault, the most frequent first."""
    named = ", ".join(field for field, _ in (fields or Counter()).most_common(MAX_FIELDS))
    return f"{answer_words('malformed')}: {named}" if named else answer_words("malformed")
