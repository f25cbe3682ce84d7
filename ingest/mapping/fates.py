"""What becomes of each attribute of a record: hashed, stored, read, or dropped and why. For the dry run.

It asks the modules that map records: `aliases` (what is read), `identity` (which id counts) and
`scrubbing` (what may be stored).
"""

from typing import Any, NamedTuple

from analytics.storage.rows import BaseEvent, Row
from consent.registry.cleaning import Dropped
from consent.registry.registry import Registry
from ingest.mapping import aliases, boilerplate, scrubbing, undeclared
from ingest.mapping.identity import names_somebody, sent_ids
from ingest.otlp.records import Record

NOT_SHOWN = "(a name that is not shown)"
ID_COLUMNS = frozenset({"user_id", "organization_id", "session_id", "pseudonym"})
# Why an attribute is not stored; the last six name what its value looks like.
WHY_DROPPED = {
    "undeclared": "nothing declares it",
    "boilerplate": "SDKs send it by themselves; nothing declares it",
    "type": "its type is not the declared one",
    "range": "it is outside the declared range",
    "length": "it is longer than declared",
    "pattern": "it does not have the declared form",
    "empty": "it is a word for no value",
    "private": "it repeats an id or a name in the same record",
    "another": "another attribute with the same meaning counts",
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
    """What becomes of a record's attributes, by the names under which they were sent."""

    hashed: dict[str, str]  # to the column
    stored: dict[str, str]  # to the name in event_metadata, or of an installation's column
    read: list[str]  # they decide which table it is, or make up a column
    dropped: list[dict[str, str]]


def fates(record: Record, prepared: Row | BaseEvent, registry: Registry) -> Fates:
    """The fates of a record's attributes, and of its resource's; `prepared` is what the record becomes."""
    of_resource = record.resource.attributes
    sent = record.attributes | {
        name: value for name, value in of_resource.items() if name not in record.attributes
    }
    hidden = scrubbing.private(record.attributes).joined(scrubbing.private(of_resource))
    ids = _ids(record, prepared)
    result = Fates({}, {}, [], [])
    for name, value in sent.items():
        column_or_reason = ids.get(name)
        if column_or_reason in ID_COLUMNS:
            result.hashed[name] = column_or_reason
            continue
        reason = column_or_reason or _stored_or_why_not(name, value, prepared, registry, hidden, result)
        if reason:
            shown = name if _may_be_shown(name, registry, hidden) else NOT_SHOWN
            result.dropped.append(
                {"attribute": shown, "reason": reason, "why": WHY_DROPPED.get(reason, reason)}
            )
    return result


def _stored_or_why_not(
    name: str,
    value: Any,
    prepared: Row | BaseEvent,
    registry: Registry,
    hidden: scrubbing.Private,
    result: Fates,
) -> str:
    """Why an attribute that is not an id is dropped; '' if it is not, after noting what becomes of it."""
    stored = prepared.metadata if isinstance(prepared, Row) else prepared.facts
    declaration = registry.find(name)
    answer = None
    if declaration:
        declared, clean = declaration
        answer = scrubbing.unless_private(clean(value), declared, registry, hidden)
        if declared in stored:
            if isinstance(answer, Dropped):
                return answer.reason
            if str(answer.value) != str(stored[declared]):
                return "another"
            result.stored[name] = declared
            return ""
    if name in aliases.READ and isinstance(prepared, Row):
        result.read.append(name)
        return ""
    if answer is None:
        return "boilerplate" if boilerplate.group_of(name) else "undeclared"
    return answer.reason if isinstance(answer, Dropped) else "not_here"


def _ids(record: Record, prepared: Row | BaseEvent) -> dict[str, str]:
    """Each attribute that is an id: the column its pseudonym belongs to, or why it is not used."""
    result: dict[str, str] = {}
    columns = _columns_of_ids(prepared)
    of_record = dict(sent_ids(record.attributes))
    of_resource = dict(sent_ids(record.resource.attributes))
    for position, column in enumerate(columns):
        names, more = of_record.get(position, ()), of_resource.get(position, ())
        usable = [name for name in names if names_somebody(record.attributes[name])]
        usable += [
            name for name in more if names_somebody(record.resource.attributes[name]) and name not in usable
        ]
        result |= dict.fromkeys((*names, *more), "no_id") | dict.fromkeys(usable, "another")
        if usable:
            result[usable[0]] = column
    return result


def _columns_of_ids(prepared: Row | BaseEvent) -> tuple[str, str, str, str]:
    """Where the pseudonyms of user, organization, session and installation go."""
    if isinstance(prepared, BaseEvent):
        return "not_here", "not_here", "not_here", "pseudonym"
    has_session = prepared.table == "activity"
    # Without a user, `user_id` is made of the pseudonym of the session, the installation or the organization.
    nobody = "not_here" if prepared.user else "user_id"
    return "user_id", "organization_id", "session_id" if has_session else nobody, nobody


def _may_be_shown(name: str, registry: Registry, hidden: scrubbing.Private) -> bool:
    """Whether the answer may show an attribute's name: the app chose it, so it may hold anything."""
    if name in aliases.READ or registry.find(name):
        return True
    return len(name) <= undeclared.MAX_NAME and undeclared.is_plain(name) and not hidden.is_in(name)
