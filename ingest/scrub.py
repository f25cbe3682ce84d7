"""What of a record's words may be kept: declared attributes, and names that hold nothing personal."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from consent.attributes import Kept, printable
from consent.detectors import finding
from consent.registry import Registry
from ingest.identity import Refusal

MAX_NAME = 100  # characters: features and actions
MAX_EVENT_TYPE = 50  # characters
MIN_RAW_ID = 4  # characters; a shorter id is too likely to be part of a word

# Columns of their own, or computed: never copied from what was sent.
_NOT_COPIED = frozenset({"page.path", "deployment_type"})
# Ids within a name say nothing about the feature; without them the name still means the same.
_ID = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
    r"|(?=[A-Fa-f]{0,64}\d)[0-9A-Fa-f]{12,64}|\d{4,64})(?![0-9A-Za-z])"
)


def metadata(
    attributes: Mapping[str, Any],
    registry: Registry,
    raw_ids: list[str],
    columns: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """The declared attributes among these, cleaned, under their declared names.

    `columns` are declared names that this row keeps in a column. Of an attribute sent under several
    names the one under its own name counts.
    """
    kept: dict[str, Any] = {}
    find = registry.find
    for sent, value in attributes.items():
        found = find(sent)
        if found is None:
            continue
        name, clean = found
        if name in _NOT_COPIED or name in columns or value is None or (name in kept and sent != name):
            continue
        answer = clean(value)
        if isinstance(answer, Kept) and not _repeats_an_id(answer.value, raw_ids):
            kept[name] = answer.value
    return kept


def name(text: str, limit: int, raw_ids: list[str]) -> str:
    """A feature, action or event type as it may be stored. Raises `Refusal` when it looks personal."""
    for raw in raw_ids:
        if len(raw) >= MIN_RAW_ID and raw in text:
            text = text.replace(raw, "{id}")
    clean, looks_like = _name(text[:2048])
    if looks_like:
        raise Refusal("personal_data")
    if not clean:
        raise Refusal("incomplete")
    return clean[:limit]


@lru_cache(maxsize=8192)
def _name(text: str) -> tuple[str, str | None]:
    clean = _ID.sub("{id}", " ".join(printable(text).split()))
    return clean, finding(clean)


def without_ids(template: str, raw_ids: list[str]) -> str:
    """An endpoint's template without the record's own ids, should one of its parts be one."""
    for raw in raw_ids:
        if len(raw) >= MIN_RAW_ID and raw in template:
            template = "/".join("{id}" if part == raw else part for part in template.split("/"))
    return template


def _repeats_an_id(value: object, raw_ids: list[str]) -> bool:
    return isinstance(value, str) and any(len(raw) >= MIN_RAW_ID and raw in value for raw in raw_ids)
