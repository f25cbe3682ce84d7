"""Reads single attributes: deployment type, flags, durations, status codes."""

from collections.abc import Mapping
from typing import Any

from consent.registry.cleaning import as_number, as_text
from ingest.mapping import aliases
from ingest.otlp.records import Record

DEPLOYMENT_TYPES = {
    "cloud": "cloud",
    "self-hosted": "self-hosted",
    "self_hosted": "self-hosted",
    "selfhosted": "self-hosted",
}
MAX_DURATION_MS = 1e9  # eleven days; a longer one is a broken clock
_NO = frozenset({"", "0", "false", "no", "off"})


def deployment_type(attributes: Mapping[str, Any]) -> str:
    """`cloud`, `self-hosted`, or '' when these attributes do not say."""
    for name in aliases.DEPLOYMENT:
        value = attributes.get(name)
        if isinstance(value, str):
            type_named = DEPLOYMENT_TYPES.get(value.strip().lower())
            if type_named:
                return type_named
    return ""


def is_yes(value: Any) -> bool:
    """Whether a flag is set. Anything but a plain no sets it: when in doubt, assume a wish for privacy."""
    if value is None or isinstance(value, bool):
        return bool(value)
    text = as_text(value)
    return text is None or text.strip().lower() not in _NO


def asks_not_to_be_tracked(attributes: Mapping[str, Any]) -> bool:
    """The do-not-track signal of these attributes. A value that cannot be read counts as set."""
    if aliases.DO_NOT_TRACK not in attributes:
        return False
    value = attributes[aliases.DO_NOT_TRACK]
    return value is None or is_yes(value)


def duration(given: Any) -> float | None:
    """Milliseconds as sent; None for a broken value, which still wins over the span's own duration."""
    number = as_number(given)
    return float(number) if number is not None and 0 <= number <= MAX_DURATION_MS else None


def own_duration(record: Record) -> float | None:
    """Milliseconds from a span's start to its end."""
    milliseconds = (record.end - record.time) / 1e6
    return milliseconds if record.end and 0 <= milliseconds <= MAX_DURATION_MS else None


def with_function(record: Record) -> Mapping[str, Any]:
    """A record's attributes, with the name of the function that it is about in full, if it names one.

    OpenTelemetry's older names have the module apart. Of a log record, the scope is the logger's name, which
    is the module's as a rule.
    """
    own = record.attributes
    function = next((text for name in aliases.FUNCTION if (text := as_text(own.get(name)))), "")
    if not function or any(mark in function for mark in (".", "::", "->", "#")):
        return own
    module = as_text(own.get(aliases.NAMESPACE)) or ("" if record.is_span else record.scope)
    return {**own, aliases.FUNCTION[0]: f"{module}.{function}"} if module else own


def status_code(value: Any) -> int | None:
    """An HTTP status, 100 to 599, also if it was sent as text."""
    number = as_number(value)
    return int(number) if number is not None and 100 <= number <= 599 and number == int(number) else None
