"""What changed between two registries, and which changes are material.

Material is what collects more, keeps it longer or uses it for something else; in doubt, a change is material.
Event names and endpoint templates never are: features and routes are collected under the names that apps
send, declared or not. Pure: two contents (`Registry.content()`) in, sentences out.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from consent.registry.attributes import OTHER

Entry = Mapping[str, Any]


class Change(NamedTuple):
    """One difference, in a sentence."""

    text: str
    is_material: bool


class CollectionTerms(NamedTuple):
    """What is collected, and for how many months events are kept."""

    registry: Mapping[str, Any]
    retention_months: int


def changes(before: CollectionTerms, after: CollectionTerms) -> list[Change]:
    """Every difference, the material ones first."""
    differences = [
        *_retention(before.retention_months, after.retention_months),
        *_attributes(_by_name(before), _by_name(after)),
        *_names("event", before.registry["events"], after.registry["events"]),
        *_names("endpoint", before.registry["endpoints"], after.registry["endpoints"]),
    ]
    return sorted(differences, key=lambda change: not change.is_material)


def _by_name(collected: CollectionTerms) -> dict[str, Entry]:
    return {entry["name"]: entry for entry in collected.registry["attributes"]}


def _retention(before: int, after: int) -> Iterator[Change]:
    if before != after:
        yield Change(f"events are kept for {after} months instead of {before}", after > before)


def _names(kind: str, before: list[str], after: list[str]) -> Iterator[Change]:
    for name in sorted(set(after) - set(before)):
        yield Change(f"{kind} '{name}' is now declared", is_material=False)
    for name in sorted(set(before) - set(after)):
        yield Change(f"{kind} '{name}' is no longer declared", is_material=False)


def _attributes(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> Iterator[Change]:
    for name in sorted(after.keys() - before.keys()):
        yield Change(f"'{name}' is now collected ({after[name]['purpose']})", is_material=True)
    for name in sorted(before.keys() - after.keys()):
        yield Change(f"'{name}' is no longer collected", is_material=False)
    for name in sorted(before.keys() & after.keys()):
        for text, is_material in _differences(before[name], after[name]):
            yield Change(f"'{name}' {text}", is_material)


def _differences(before: Entry, after: Entry) -> Iterator[tuple[str, bool]]:
    if before["kind"] != after["kind"]:
        yield f"is of type {after['kind']} instead of {before['kind']}", True
    else:
        yield from _limits(before, after)
    if before["tier"] != after["tier"]:
        more = after["tier"] == "base"
        yield f"is collected at tier {after['tier']} instead of {before['tier']}", more
    for word, label in (("purpose", "purpose"), ("why", "reason")):
        if before[word] != after[word]:
            yield f"has another {label}: “{after[word]}”", _words(before[word]) != _words(after[word])
    # Registries that were published before there were dimensions do not say whether an attribute is one.
    if bool(before.get("dimension")) != bool(after.get("dimension")):
        yield f"is {'now' if after.get('dimension') else 'no longer'} what reports can be filtered by", False
    if before["example"] != after["example"]:
        yield f"has another example: {after['example']}", False
    if more_names := sorted(set(after["also"]) - set(before["also"])):
        yield f"is also taken from {', '.join(more_names)}", True
    if fewer_names := sorted(set(before["also"]) - set(after["also"])):
        yield f"is no longer taken from {', '.join(fewer_names)}", False


def _spellings(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    """A word that becomes a value says more than before, when it was “other”, or no value at all."""
    more: list[str] = []
    less: list[str] = []
    for word in sorted(before.keys() | after.keys()):
        old, new = before.get(word, OTHER), after.get(word, OTHER)
        if old != new:
            says_more = new and (new != OTHER or not old)
            (more if says_more else less).append(f"“{word}” as {new or 'no value'}")
    for words in filter(None, (more, less)):
        yield f"counts {', '.join(words)}", words is more


def _limits(before: Entry, after: Entry) -> Iterator[tuple[str, bool]]:
    kind = after["kind"]
    if kind == "choice":
        old, new = ({value.lower() for value in entry["values"]} for entry in (before, after))
        if new - old:
            yield f"may also be {', '.join(sorted(new - old))}", True
        if old - new:
            yield f"may no longer be {', '.join(sorted(old - new))}", False
        yield from _spellings(before.get("spellings", {}), after.get("spellings", {}))
    elif kind == "text":
        if before["pattern"] != after["pattern"]:
            yield "has another pattern", True
        if before["max_length"] != after["max_length"]:
            longer = after["max_length"] > before["max_length"]
            yield f"may have {after['max_length']} characters instead of {before['max_length']}", longer
    elif kind in ("integer", "number"):
        for word, looser in (
            ("minimum", after["minimum"] < before["minimum"]),
            ("maximum", after["maximum"] > before["maximum"]),
        ):
            if before[word] != after[word]:
                yield f"has the {word} {after[word]:g} instead of {before[word]:g}", looser


def _words(text: str) -> list[str]:
    """The words of a sentence, ignoring case, spaces and punctuation."""
    return re.findall(r"\w+", text.lower())
