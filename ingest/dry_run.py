"""A dry run (`X-Telemetry-Dry-Run: 1`): says what would become of each record, by the code that stores them.

Records are decoded, mapped and gated as in `receive.py`, one by one; then they are described instead of
written. Nothing is stored, counted or remembered. The answer holds no raw id, and no pseudonym either:
whoever could ask for the pseudonym of an id could look people up by guessing.

A key that is not told of consent (`Key.is_told_of_consent`) gets an answer that depends neither on what
anybody has decided nor on what was stored before: not even on the names that its events have brought.
"""

from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec
from django.utils import timezone

from analytics.storage.admission import foretell
from analytics.storage.event_tables import TABLES
from analytics.storage.rows import OWN_COLUMNS, BaseEvent, Row
from analytics.storage.store import StoreUnavailable
from consent.models import Key
from consent.policies.activation import active_registry
from consent.pseudonyms import ANONYMOUS
from consent.registry.registry import Registry, RegistryError
from ingest.errors import Failure
from ingest.mapping.fates import fates
from ingest.mapping.identity import RecordRefused
from ingest.mapping.name_limits import cap_new_names
from ingest.otlp.records import Record, TooMany
from ingest.reasons import SKIPPED, answer_words, parted
from ingest.receive import DECODERS, refused_points, row_maker
from postgres.instants import instant

MAX_RECORDS = 100
YES, NO = ("1", "true"), ("", "0", "false")
INSTALLATIONS = "analytics_installation"
NOT_TOLD = "stored if those whom it names have agreed, which this key is not told"
PSEUDONYM, NOBODY = "(pseudonym)", "(anon: and part of a pseudonym)"


def is_asked_for(header: str, key: Key) -> bool:
    """Whether a request is a dry run. Raises `Failure` if that is unclear or not allowed to this key."""
    if header in NO:
        return False
    if header not in YES:
        raise Failure(400, "X-Telemetry-Dry-Run must be 1, or be left out; nothing was stored")
    if key.is_publishable:
        raise Failure(403, "a dry run needs a key that is not publishable", reason="wrong_scope")
    return True


def refuse(header: str) -> None:
    """Refuse a dry run over gRPC: answers there have no room for it, and storing would be worse."""
    if header not in NO:
        raise Failure(400, "dry runs are for OTLP over HTTP; nothing was stored")


def dry_run(
    *,
    signal: str,
    encoding: str,
    body: bytes,
    key: Key,
    do_not_track: bool = False,
    now: datetime | None = None,
) -> bytes:
    """The answer, as JSON. Raises what `receive` raises."""
    if signal == "metrics":
        return _answer([], *refused_points(encoding, body))
    now = now or timezone.now()
    batch = DECODERS[signal, encoding](body)
    records = list(islice(batch.records, MAX_RECORDS + 1))
    if len(records) > MAX_RECORDS:
        raise TooMany(f"a dry run takes at most {MAX_RECORDS} records")
    registry = _registry()
    maker = row_maker(key, do_not_track, now, registry, knows_routes=key.is_told_of_consent)
    refused = Counter(malformed=batch.malformed.total())
    described: list[dict[str, Any]] = []
    stored: list[tuple[dict[str, Any], Row]] = []
    for record in records:
        about: dict[str, Any] = {}
        try:
            event, reason = foretell(maker.prepare(record), asks_consent=key.is_told_of_consent)
            about = _about(record, event, registry)
        except RecordRefused as refusal:
            reason = refusal.reason
        else:
            if isinstance(event, Row) and not reason:
                stored.append((about["columns"], event))
        refused[reason] += bool(reason)
        described.append(_outcome(reason, key) | about)
    if key.is_told_of_consent:
        rows = [row for _, row in stored]
        capped = cap_new_names(rows, key_id=key.pk, today=now.astimezone(UTC).date(), learn=False)
        for (columns, _), row in zip(stored, capped, strict=True):
            columns.update(_own_columns(row))
    return _answer(described, refused, batch.malformed)


def _registry() -> Registry:
    """The registry that ingest enforces now. Raises `StoreUnavailable`."""
    try:
        return active_registry()
    except RegistryError as error:
        raise StoreUnavailable("no registry can be read") from error


def _answer(described: list[dict[str, Any]], refused: Counter[str], malformed: Counter[str]) -> bytes:
    outcomes = Counter(record["outcome"] for record in described)
    refused, skipped = parted(refused)
    summary: dict[str, Any] = {"stored": outcomes["stored"]}
    if outcomes["accepted"]:
        summary["accepted"] = outcomes["accepted"]
    summary["refused"] = dict(refused)
    if skipped:
        summary["skipped"] = dict(skipped)
    if malformed:
        summary["malformedFields"] = dict(malformed)
    return msgspec.json.encode({"dryRun": True, "summary": summary, "records": described})


def _outcome(reason: str, key: Key) -> dict[str, str]:
    if reason:
        outcome = "skipped" if reason in SKIPPED else "refused"
        return {"outcome": outcome, "reason": reason, "why": answer_words(reason)}
    return {"outcome": "stored"} if key.is_told_of_consent else {"outcome": "accepted", "why": NOT_TOLD}


def _about(record: Record, event: Row | BaseEvent, registry: Registry) -> dict[str, Any]:
    """The table, the columns as they would be stored, and what becomes of each attribute."""
    if isinstance(event, BaseEvent):
        table, columns = INSTALLATIONS, _installation_columns(event)
    else:
        table, columns = TABLES[event.table].name, _event_columns(event)
    return {"table": table, "columns": columns, **fates(record, event, registry)._asdict()}


def _installation_columns(event: BaseEvent) -> dict[str, Any]:
    return {"pseudonym": PSEUDONYM, "name": event.name, "timestamp": event.timestamp, **event.facts}


def _event_columns(row: Row) -> dict[str, Any]:
    return {
        "timestamp": instant(row.timestamp),
        "user_id": NOBODY if row.user_id.startswith(ANONYMOUS) else PSEUDONYM,
        "organization_id": PSEUDONYM if row.organization_id else "",
        "deployment_type": row.deployment_type,
        "is_internal": row.is_internal,
        "event_metadata": row.metadata,
        **_own_columns(row),
    }


def _own_columns(row: Row) -> dict[str, Any]:
    """The columns that only this table has."""
    own = dict(zip(OWN_COLUMNS[row.table], row.names, strict=True))
    return own | {"session_id": PSEUDONYM} if own.get("session_id") else own
