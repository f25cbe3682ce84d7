"""A dry run (`X-Telemetry-Dry-Run: 1`): what would become of each record, by the code that stores them.

Decoding, routing, scrubbing and consent are those of `receive.py`, record by record; then, in place of
writing, it is told. Nothing is stored, counted or learnt. No raw id is in the answer, and no pseudonym:
whoever could ask for the pseudonym of an id could look up people by guessing.
"""

from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

import msgspec
from django.utils import timezone

from analytics.storage.admission import foretell
from analytics.storage.event_tables import COMMON_COLUMNS, TABLES
from analytics.storage.rows import BaseEvent, Row
from analytics.storage.store import StoreUnavailable
from consent.models import Key
from consent.policies.activation import active_registry
from consent.pseudonyms import ANONYMOUS, NO_ID
from consent.registry.attributes import Dropped, Kept, as_text
from consent.registry.registry import Registry, RegistryError
from ingest.errors import Failure
from ingest.mapping import scrubbing, undeclared
from ingest.mapping.identity import id_names
from ingest.mapping.name_limits import cap_new_names
from ingest.otlp.records import Record, TooMany
from ingest.receive import DECODERS, REASONS, count_points, row_maker
from postgres.instants import instant

MAX_RECORDS = 100
YES, NO = ("1", "true"), ("", "0", "false")
INSTALLATIONS = "analytics_installation"
PSEUDONYM, NOBODY = "(pseudonym)", "(anon: and part of a pseudonym)"
ID_COLUMNS = frozenset({"user_id", "organization_id", "session_id", "pseudonym"})
COLUMNS = frozenset(name for table in TABLES.values() for name, _ in (*table.columns, *COMMON_COLUMNS))
NOT_SHOWN = "(a name that is not shown)"
# Why an attribute is not stored, in words; the last ones are what a value looks like.
WHY_DROPPED = {
    "undeclared": "nothing declares it",
    "type": "it has another type than is declared",
    "range": "it is outside of the declared range",
    "length": "it is longer than is declared",
    "pattern": "it does not have the declared form",
    "private": "it repeats an id or a name that the same record tells",
    "another": "another attribute of the same meaning counts",
    "no_id": "it holds no id",
    "not_here": "this table does not keep it",
    "email": "it looks like an e-mail address",
    "ip": "it looks like an IP address",
    "token": "it looks like a key or a token",
    "card": "it looks like a card number",
    "home_directory": "it looks like a home directory",
    "url": "it looks like an address with a query",
}


class Fates(NamedTuple):
    """What becomes of a record's attributes, by the names they were sent under."""

    hashed: dict[str, str]  # to the column
    stored: dict[str, str]  # to the name in event_metadata, or of an installation's column
    read: list[str]  # decide about the table, or make up a column
    dropped: list[dict[str, str]]


def is_asked_for(header: str, key: Key) -> bool:
    """Whether a request is a dry run. Raises `Failure` where that is unclear, or not for this key."""
    if header in NO:
        return False
    if header not in YES:
        raise Failure(400, "X-Telemetry-Dry-Run must be 1, or be left out; nothing was stored")
    if key.is_publishable:
        raise Failure(403, "a dry run needs a key that is not publishable", reason="wrong_scope")
    return True


def refuse(header: str) -> None:
    """For gRPC, whose answers have no room for it: what was meant as a dry run is never stored."""
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
    """The answer, as JSON. Raises `DecodeError`, and as `receive` does where a database is away."""
    if signal == "metrics":
        return _answer([], Counter(metrics_not_kept=count_points(encoding, body)))
    now = now or timezone.now()
    batch = DECODERS[signal, encoding](body)
    records = list(islice(batch.records, MAX_RECORDS + 1))
    if len(records) > MAX_RECORDS:
        raise TooMany(f"a dry run takes at most {MAX_RECORDS} records")
    registry = _registry()
    maker = row_maker(key, do_not_track, now, registry)
    told: list[dict[str, Any]] = []
    refused = Counter(malformed=batch.malformed)
    kept: list[tuple[int, Row]] = []
    for record in records:
        mapped = maker.map([record])
        if mapped.refused:
            reason = next(iter(mapped.refused))
            about: dict[str, Any] = {}
        else:
            made, reason = foretell((mapped.rows or mapped.base_events)[0])
            if isinstance(made, Row) and not reason:
                kept.append((len(told), made))
            about = _about(record, made, registry)
        refused[reason] += bool(reason)
        told.append({"outcome": "refused" if reason else "stored"} | _why(reason) | about)
    capped = cap_new_names(
        [row for _, row in kept], key_id=key.pk, today=now.astimezone(UTC).date(), learn=False
    )
    for (place, _), row in zip(kept, capped, strict=True):
        told[place]["columns"] |= _names(row)
    return _answer(told, refused)


def _registry() -> Registry:
    """The one that ingest enforces now. Raises `StoreUnavailable`."""
    try:
        return active_registry()
    except RegistryError as error:
        raise StoreUnavailable("no registry can be read") from error


def _answer(told: list[dict[str, Any]], refused: Counter[str]) -> bytes:
    summary = {
        "stored": sum(one["outcome"] == "stored" for one in told),
        "refused": {reason: number for reason, number in refused.items() if number},
    }
    return msgspec.json.encode({"dryRun": True, "summary": summary, "records": told})


def _why(reason: str) -> dict[str, str]:
    return {"reason": reason, "why": REASONS.get(reason, reason)} if reason else {}


def _about(record: Record, made: Row | BaseEvent, registry: Registry) -> dict[str, Any]:
    fates = _fates(record, made, registry)
    if isinstance(made, BaseEvent):
        columns: dict[str, Any] = {"pseudonym": PSEUDONYM, "name": made.name, "timestamp": made.timestamp}
        return {"table": INSTALLATIONS, "columns": columns | made.facts} | fates._asdict()
    columns = {
        "timestamp": instant(made.timestamp),
        "user_id": NOBODY if made.user_id.startswith(ANONYMOUS) else PSEUDONYM,
        "organization_id": PSEUDONYM if made.organization_id else "",
        "deployment_type": made.deployment_type,
        "is_internal": made.is_internal,
        "event_metadata": made.metadata,
    }
    return {"table": TABLES[made.table].name, "columns": columns | _names(made)} | fates._asdict()


def _names(row: Row) -> dict[str, Any]:
    """The table's own columns, ids apart."""
    own = {name: value for (name, _), value in zip(TABLES[row.table].columns, row.names, strict=True)}
    return own | {"session_id": PSEUDONYM} if own.get("session_id") else own


# --- What became of the attributes ------------------------------------------------------------------
def _fates(record: Record, made: Row | BaseEvent, registry: Registry) -> Fates:
    of_resource = record.resource.attributes
    sent = record.attributes | {
        name: of_resource[name] for name in of_resource.keys() - record.attributes.keys()
    }
    hidden = scrubbing.private(record.attributes).joined(scrubbing.private(of_resource))
    ids = _ids(record, made)
    fates = Fates({}, {}, [], [])
    for name, value in sent.items():
        column = ids.get(name)
        if column in ID_COLUMNS:
            fates.hashed[name] = column
            continue
        reason = column or _stored_or_why_not(name, value, made, registry, fates)
        if reason:
            shown = name if _may_be_shown(name, registry, hidden) else NOT_SHOWN
            fates.dropped.append(
                {"attribute": shown, "reason": reason, "why": WHY_DROPPED.get(reason, reason)}
            )
    return fates


def _stored_or_why_not(name: str, value: Any, made: Row | BaseEvent, registry: Registry, fates: Fates) -> str:
    """'' after noting what became of an attribute that is no id; else why it is dropped."""
    stored = made.metadata if isinstance(made, Row) else made.facts
    found = registry.find(name)
    if found and found[0] in stored:
        answer = registry.clean(found[0], value)
        if isinstance(answer, Kept) and as_text(answer.value) == as_text(stored[found[0]]):
            fates.stored[name] = found[0]
            return ""
        return answer.reason if isinstance(answer, Dropped) else "another"
    if name in undeclared.READ and isinstance(made, Row):
        fates.read.append(name)
        return ""
    if found is None:
        return "undeclared"
    answer = registry.clean(found[0], value)
    if isinstance(answer, Dropped):
        return answer.reason
    return "private" if isinstance(made, Row) and found[0] not in COLUMNS else "not_here"


def _ids(record: Record, made: Row | BaseEvent) -> dict[str, str]:
    """Each attribute that is an id: the column its pseudonym belongs to, or why it is not used."""
    fates: dict[str, str] = {}
    columns = _columns_of_ids(made)
    own, others = id_names(record.attributes), id_names(record.resource.attributes)
    for column, names, more in zip(columns, own, others, strict=True):
        usable = [name for name in names if _is_id(record.attributes[name])]
        usable += [name for name in more if _is_id(record.resource.attributes[name]) and name not in usable]
        fates |= dict.fromkeys((*names, *more), "no_id") | dict.fromkeys(usable, "another")
        if usable:
            fates[usable[0]] = column
    return fates


def _columns_of_ids(made: Row | BaseEvent) -> tuple[str, str, str, str]:
    """Where the pseudonyms of user, organization, session and installation go."""
    if isinstance(made, BaseEvent):
        return "not_here", "not_here", "not_here", "pseudonym"
    has_session = made.table == "activity"
    nobody = "not_here" if made.user else "user_id"  # anon: and part of the first that there is
    return "user_id", "organization_id", "session_id" if has_session else nobody, nobody


def _is_id(value: Any) -> bool:
    text = as_text(value)
    return text is not None and text.strip().lower() not in NO_ID


def _may_be_shown(name: str, registry: Registry, hidden: scrubbing.Private) -> bool:
    """Names that the app made up may hold anything, an id too."""
    if name in undeclared.READ or registry.find(name):
        return True
    return len(name) <= undeclared.MAX_NAME and undeclared.is_plain(name) and not hidden.is_in(name)
