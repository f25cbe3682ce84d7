"""Dimensions: declared attributes by whose values reports can be filtered (`dimension = true`)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from consent.registry.attributes import MAX_TEXT, Attribute

MOST = 10  # dimensions, over all files
LONGEST = 60  # characters of a value
# What reports are asked by already (`reports/parameters.py`); a dimension is asked for under its own name.
TAKEN = frozenset(
    re.findall(
        r"\w+",
        "action activity by compare definition deployment endpoint error_type feature format from internal"
        " interval kind method metric name org page period place print q range rows search sealed_until sort"
        " step time_zone to window",
    )
)
# A pattern's parts: an escape, a set of characters, or one character.
_PARTS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
_ANYTHING = re.compile(r"\.|\[\^.*|.*\\[DSWs].*|.*\s.*", re.DOTALL)


def entry_mistakes(entry: Mapping[str, Any]) -> Iterator[str]:
    """What keeps this entry, otherwise right, from being a dimension."""
    if not entry.get("dimension"):
        return
    if entry["type"] not in ("choice", "text"):
        yield "a dimension is a choice or a text"
    elif entry["type"] == "choice":
        if any(len(value) > LONGEST for value in entry["values"]):
            yield f"a value of a dimension has at most {LONGEST} characters"
    elif entry.get("max_length", MAX_TEXT) > LONGEST:
        yield f"a dimension's 'max_length' is at most {LONGEST}"
    elif any(_ANYTHING.fullmatch(part) for part in _PARTS.findall(entry["pattern"])):
        yield "a dimension's 'pattern' says which characters there may be, without '.', '[^…]' and spaces"
    if entry["name"] in TAKEN:
        yield "a dimension needs another name: reports have a parameter of this one"


def too_many(attributes: Iterable[Attribute]) -> list[str]:
    """The mistake of declaring too many of them, if it was made."""
    names = [attribute.name for attribute in attributes if attribute.dimension]
    if len(names) <= MOST:
        return []
    return [f"{len(names)} dimensions are declared ({', '.join(names)}), but there can be {MOST} at most"]
