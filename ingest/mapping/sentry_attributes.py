"""What a Sentry-shaped event says beside its own subject, as attributes under the names that mapping reads.

Tags and `extra` keep their names; the registry decides which are stored. What decides about the table is not
taken from them.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from consent.registry.cleaning import as_text
from ingest.mapping import aliases
from ingest.otlp.records import Malformed
from ingest.sentry.messages import ClientEvent, Contexts, Named, SessionOrigin

USER, SESSION, VERSION, APP = "user.id", "session.id", "service.version", "service.name"
# Names of tags that would choose another table than the event's own kind does.
ROUTED = frozenset(
    (
        *aliases.KIND,
        *aliases.EVENT_NAME,
        aliases.EVENT_TYPE,
        aliases.EXCEPTION,
        *aliases.METHOD,
        aliases.ROUTE,
        *aliases.STATUS,
    )
)
# Under an explicit category these would count as well.
EXPLICIT = frozenset(
    (
        *aliases.EXPLICIT_METHOD,
        *aliases.EXPLICIT_ROUTE,
        *aliases.EXPLICIT_STATUS,
        *aliases.EXPLICIT_PATH,
    )
)
# What clients add to tags and extra by themselves, and names of ids that are not theirs to choose.
BOILERPLATE = frozenset({"sys.argv", "arguments", "replayId", aliases.LOG_UID, "trace_id", "span_id"})
_LEFT_OUT = ROUTED | BOILERPLATE
MAX_TEXT = 200  # characters of a name; nothing longer is one

_RELEASE = re.compile(r"(?:(?P<app>\S{1,100})@)?(?P<version>[^@\s]{1,100})")
_PYTHONS = frozenset({"CPython", "PyPy", "GraalVM"})


def of_event(event: ClientEvent) -> dict[str, Any]:
    """The attributes of an event or a transaction; whoever it names under the name of an id."""
    attributes = plain(_pairs(event.extra)) | plain(_pairs(event.tags))
    for name in _LEFT_OUT:
        attributes.pop(name, None)
    if event.user:
        if event.user.id is not None:
            attributes[USER] = an_id(event.user.id)
        for name, value in (("user.name", event.user.username), ("user.full_name", event.user.name)):
            if text(value):
                attributes.setdefault(name, value)
    add_origin(attributes, event.release, event.environment)
    if event.contexts:
        _add_contexts(attributes, event.contexts)
    return attributes


def of_session(origin: SessionOrigin | None, user: Any) -> dict[str, Any]:
    """The attributes of a session."""
    attributes: dict[str, Any] = {} if user is None else {USER: an_id(user)}
    if origin:
        add_origin(attributes, origin.release, origin.environment)
    return attributes


def add_origin(attributes: dict[str, Any], release: Any, environment: Any) -> None:
    """App, version and environment, unless tags have said them. A release is `app@version`, or a version."""
    match = _RELEASE.fullmatch(text(release))
    if match:
        attributes.setdefault(VERSION, match["version"])
        if match["app"]:
            attributes.setdefault(APP, match["app"])
    if text(environment):
        attributes.setdefault("environment", environment)


def plain(sent: Mapping[Any, Any]) -> dict[str, Any]:
    """The same with None for lists and objects, which no attribute of ours can be."""
    return {
        name: an_id(value) if name in aliases.ID_NAMES else value if _is_plain(value) else None
        for name, value in sent.items()
        if isinstance(name, str)
    }


def an_id(value: Any) -> Any:
    """An id. A list or an object becomes a yes, which is refused as an id: it may name somebody."""
    return value if value is None or _is_plain(value) else True


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float)


def text(value: Any) -> str:
    """A short text; '' for anything else."""
    written = as_text(value)
    return written if written is not None and len(written) <= MAX_TEXT else ""


def first_text(values: Iterable[Any]) -> str:
    """The first of these that is a short text, '' if none is."""
    return next(filter(None, map(text, values)), "")


def nanoseconds(value: Any, field: str) -> int:
    """A time as Sentry's clients write it, since 1970 UTC; 0 when absent. Raises `Malformed`.

    They send seconds, whole or not, or text in the form of RFC 3339, which is UTC if it has no zone.
    """
    if value is None:
        return 0
    try:
        if isinstance(value, str):
            seconds = _instant(value).timestamp()
        elif isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise ValueError
        else:
            seconds = float(value)
    except (ValueError, OverflowError):
        raise Malformed(field) from None
    if not 0 <= seconds < 2**33:
        raise Malformed(field)
    return round(seconds * 1_000_000) * 1000


def _instant(sent: str) -> datetime:
    if len(sent) > 40:
        raise ValueError
    at = datetime.fromisoformat(sent)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _add_contexts(attributes: dict[str, Any], contexts: Contexts) -> None:
    """What is known of system, browser and Python, unless tags have said it."""
    _add_named(attributes, contexts.os, "os.name", "os.version")
    _add_named(attributes, contexts.browser, "browser.name")
    if contexts.runtime and text(contexts.runtime.name) in _PYTHONS:
        _add_named(attributes, contexts.runtime, "", "python_version")


def _add_named(attributes: dict[str, Any], named: Named | None, name: str, version: str = "") -> None:
    if named:
        for attribute, value in ((name, named.name), (version, named.version)):
            if attribute and text(value):
                attributes.setdefault(attribute, value)


def _pairs(sent: Any) -> dict[Any, Any]:
    """Tags or extra: an object, or a list of pairs, as the protocol allows."""
    if isinstance(sent, dict):
        return sent
    if not isinstance(sent, list):
        return {}
    pairs = (pair for pair in sent if isinstance(pair, list) and len(pair) == 2)
    return {name: value for name, value in pairs if isinstance(name, str)}
