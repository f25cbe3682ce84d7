"""Cleaning the values of declared attributes: each is kept, changed into a form that may be, or dropped."""

import math
import re
from collections.abc import Callable
from typing import NamedTuple

from consent.registry.attributes import MAX_TEXT, OTHER, Attribute
from consent.registry.personal_data import finding

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")
_NUMBER = re.compile(r"[+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,3})?", re.ASCII)


class Kept(NamedTuple):
    """A value that may be stored, in its stored form."""

    value: object


class Dropped(NamedTuple):
    """A value that is not stored, and the reason, in one word."""

    reason: str


_EMPTY = Dropped("empty")
_NOTHING = ("", "none", "null", "undefined")


def cleaner(attribute: Attribute) -> Callable[[object], Kept | Dropped]:
    """The function that cleans this attribute's values."""
    if attribute.kind == "text":
        return _text_cleaner(attribute)
    if attribute.kind == "choice":
        return _choice_cleaner(attribute)
    if attribute.kind == "boolean":
        return _clean_boolean
    return _number_cleaner(attribute)


def as_text(value: object) -> str | None:
    """A value as text: numbers are written out; None for booleans, lists and the like."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return str(value)


def printable(text: str) -> str:
    """`text`, with control characters (some of which PostgreSQL or a page cannot hold) replaced by U+FFFD."""
    return text if text.isascii() and text.isprintable() else _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def _text_cleaner(attribute: Attribute) -> Callable[[object], Kept | Dropped]:
    matches, limit = re.compile(attribute.pattern).fullmatch, attribute.max_length

    def clean(value: object) -> Kept | Dropped:
        text = as_text(value)
        if text is None:
            return Dropped("type")
        if len(text) > limit:
            return Dropped("length")
        text = printable(text).strip()
        if not matches(text):
            return Dropped("pattern")
        looks_like = finding(text)
        return Dropped(looks_like) if looks_like else Kept(text)

    return clean


def _choice_cleaner(attribute: Attribute) -> Callable[[object], Kept | Dropped]:
    # Apps that have no value often send their programming language's word for nothing.
    canonical: dict[str, Kept | Dropped] = dict.fromkeys(_NOTHING, _EMPTY)
    canonical |= {word: Kept(value) if value else _EMPTY for word, value in attribute.spellings}
    canonical |= {value.lower(): Kept(value) for value in attribute.values}
    other = Kept(OTHER)

    def clean(value: object) -> Kept | Dropped:
        text = as_text(value)
        if text is None:
            return Dropped("type")
        return canonical.get(text.strip().lower(), other) if len(text) <= MAX_TEXT else other

    return clean


def _clean_boolean(value: object) -> Kept | Dropped:
    if isinstance(value, bool):
        return Kept(value)
    if isinstance(value, str) and value.strip().lower() in {"true", "false"}:
        return Kept(value.strip().lower() == "true")
    return Dropped("type")


def _number_cleaner(attribute: Attribute) -> Callable[[object], Kept | Dropped]:
    low, high, whole = attribute.minimum or 0, attribute.maximum or 0, attribute.kind == "integer"

    def clean(value: object) -> Kept | Dropped:
        number = as_number(value)
        if number is None or (whole and number != int(number)):
            return Dropped("type")
        if not low <= number <= high:
            return Dropped("range")
        return Kept(int(number) if whole else number)

    return clean


def as_number(value: object) -> int | float | None:
    """The value as a finite number, even if it was sent as text; None for everything else."""
    if isinstance(value, str) and len(value) <= 100 and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) or math.isfinite(value) else None
