"""One request's way: decode, route and scrub, ask consent and store, count, answer.

HTTP and gRPC both enter here.
"""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from django.utils import timezone

from analytics.store import Row, store
from consent.models import Key
from consent.registry import current_registry
from ingest import traffic, undeclared
from ingest.names import cap_new_names, known_names
from ingest.otlp import json, metrics, protobuf
from ingest.otlp.records import Batch
from ingest.otlp.status import JSON, PROTOBUF
from ingest.rows import RowMaker

DECODERS: dict[tuple[str, str], Callable[[bytes], Batch]] = {
    ("traces", JSON): json.decode_traces,
    ("traces", PROTOBUF): protobuf.decode_traces,
    ("logs", JSON): json.decode_logs,
    ("logs", PROTOBUF): protobuf.decode_logs,
}
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
    batch = DECODERS[signal, encoding](body)
    registry = current_registry()
    maker = RowMaker(
        organization=key.organization,
        do_not_track=do_not_track,
        now=now,
        registry=registry,
        routes=known_names.routes(key.pk, registry),
    )
    looks = undeclared.is_due(key.pk)
    mapped = maker.map(batch.records, keep=looks)
    if not mapped.total and not batch.malformed:
        return Answer(0, "")
    admitted: list[Row] = []

    def finish(rows: list[Row]) -> list[Row]:
        admitted.extend(rows)
        return cap_new_names(rows, key_id=key.pk, today=now.astimezone(UTC).date())

    receipt = store(mapped.rows, mapped.base_events, finish=finish)
    refused = mapped.refused + Counter(receipt.refused) + Counter(malformed=batch.malformed)
    traffic.count(key.pk, signal, "accepted", "", receipt.inserted)
    traffic.count(key.pk, signal, "duplicate", "", receipt.duplicates)
    for reason, number in refused.items():
        traffic.count(key.pk, signal, "refused", reason, number)
    if looks and admitted and undeclared.takes_its_turn(key.pk):
        names = undeclared.undeclared(admitted, mapped.rows, mapped.sources, registry)
        traffic.note_names(key.pk, names)
    return Answer(refused.total(), message_of(refused, mapped.total + batch.malformed))


def _receive_metrics(encoding: str, body: bytes, key: Key) -> Answer:
    points = metrics.count_json(body) if encoding == JSON else metrics.count_protobuf(body)
    traffic.count(key.pk, "metrics", "refused", "metrics_not_kept", points)
    return Answer(points, NO_METRICS)


def message_of(refused: Counter[str], total: int) -> str:
    """`2 of 7 refused: 1 no_consent (…), 1 unroutable (…)`; '' when none was."""
    if not refused.total():
        return ""
    reasons = ", ".join(
        f"{number} {reason} ({REASONS.get(reason, reason)})" for reason, number in refused.most_common()
    )
    return f"{refused.total()} of {total} refused: {reasons}"
