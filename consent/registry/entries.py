"""Checking an entry of `collected.toml`: the result is an attribute, or a sentence for each mistake."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from consent.registry import dimensions
from consent.registry.attributes import KINDS, MAX_TEXT, TIERS, Attribute
from consent.registry.cleaning import Kept, cleaner
from consent.registry.personal_data import is_denied_name

_NAME = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*")
# A repeat of a group that itself repeats without a bound backtracks exponentially: `(a+)+`.
_NESTED_REPEAT = re.compile(r"[*+]\)[*+{]|[*+]\)\?[*+{]|,\}\)[*+{]")
_TYPES: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "type": str,
    "tier": str,
    "purpose": str,
    "why": str,
    "example": (str, int, float, bool),
    "also": list,
    "values": list,
    "spellings": dict,
    "pattern": str,
    "max_length": int,
    "minimum": (int, float),
    "maximum": (int, float),
    "dimension": bool,
}
_REQUIRED = ("name", "type", "tier", "purpose", "why", "example")


def attribute_from(entry: Mapping[str, Any], label: str, mistakes: list[str]) -> Attribute | None:
    """The declared attribute; or None, with what is wrong with the entry added to `mistakes`."""
    where = f"{label}: attribute '{str(entry.get('name', '?'))[:60]}'"
    entry_mistakes = [f"{where}: {mistake}" for mistake in _form_mistakes(entry)]
    for find in (_mistakes, dimensions.entry_mistakes):
        entry_mistakes = entry_mistakes or [f"{where}: {mistake}" for mistake in find(entry)]
    if entry_mistakes:
        mistakes += entry_mistakes
        return None
    attribute = Attribute(
        name=entry["name"],
        kind=entry["type"],
        tier=TIERS[entry["tier"]],
        purpose=entry["purpose"],
        why=entry["why"],
        example=entry["example"],
        also=tuple(entry.get("also", ())),
        values=tuple(entry.get("values", ())),
        spellings=tuple(entry.get("spellings", {}).items()),
        pattern=entry.get("pattern", ""),
        max_length=entry.get("max_length", MAX_TEXT),
        minimum=entry.get("minimum"),
        maximum=entry.get("maximum"),
        dimension=entry.get("dimension", False),
    )
    if cleaner(attribute)(attribute.example) != Kept(attribute.example):
        mistakes.append(f"{where}: its own example would be dropped or changed")
        return None
    return attribute


def _form_mistakes(entry: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"unknown word '{word}'" for word in entry if word not in _TYPES)
    yield from (f"'{word}' is missing" for word in _REQUIRED if word not in entry)
    for word, types in _TYPES.items():
        if word in entry and not isinstance(entry[word], types):
            yield f"'{word}' has the wrong type"


def _mistakes(entry: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with an entry whose words are known and of the right types."""
    yield from _name_mistakes(entry)
    kind = entry["type"]
    if kind not in KINDS:
        yield f"type '{kind}' is not one of {', '.join(KINDS)}"
        return
    if entry["tier"] not in TIERS:
        yield f"tier '{entry['tier']}' is not one of {', '.join(TIERS)}"
    yield from (f"'{word}' must not be empty" for word in ("purpose", "why") if not entry[word].strip())
    if kind == "choice":
        yield from _choice_mistakes(entry)
    elif kind == "text":
        yield from _text_mistakes(entry)
    elif kind in ("integer", "number"):
        yield from _number_mistakes(entry)


def _name_mistakes(entry: Mapping[str, Any]) -> Iterator[str]:
    name, also = entry["name"], entry.get("also", ())
    if not _NAME.fullmatch(name) or len(name) > 60:
        yield "a name is lower-case words joined by '.' or '_', at most 60 characters"
    if is_denied_name(name):
        yield "this name stands for something personal or secret, which is never stored"
    if not all(isinstance(other, str) and other for other in also):
        yield "'also' must be a list of names"
    elif any(is_denied_name(other) for other in also):
        yield "a name in 'also' stands for something personal or secret"


def _choice_mistakes(entry: Mapping[str, Any]) -> Iterator[str]:
    values = entry.get("values", [])
    if not values or not all(isinstance(value, str) and value for value in values):
        yield "a choice needs 'values', a list of texts"
        return
    for word, value in entry.get("spellings", {}).items():
        if word != word.strip().lower() or not word:
            yield f"write '{word[:40]}' in 'spellings' in lower case: case does not count"
        if value != "" and value not in values:
            yield f"'spellings' says that '{word[:40]}' is '{str(value)[:40]}', which is not among the values"
        if word in (known.lower() for known in values):
            yield f"'{word[:40]}' is a value and a spelling"


def _text_mistakes(entry: Mapping[str, Any]) -> Iterator[str]:
    if "pattern" not in entry:
        yield "a text needs a 'pattern' that the whole value must match"
        return
    try:
        re.compile(entry["pattern"])
    except (re.error, OverflowError, RecursionError) as error:
        yield f"'pattern' is not a regular expression ({error})"
    if _NESTED_REPEAT.search(entry["pattern"]) or re.search(r"\\\d", entry["pattern"]):
        yield "'pattern' repeats a group that repeats, or has a back-reference: matching could take for ever"
    if not 0 < entry.get("max_length", MAX_TEXT) <= MAX_TEXT:
        yield f"'max_length' must be 1 to {MAX_TEXT}"


def _number_mistakes(entry: Mapping[str, Any]) -> Iterator[str]:
    low, high = entry.get("minimum"), entry.get("maximum")
    if low is None or high is None or not low < high:
        yield "a number needs a 'minimum' and a larger 'maximum'"
