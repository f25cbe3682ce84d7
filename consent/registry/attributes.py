"""One declared attribute: how an entry of `collected.toml` is checked, and how its values are cleaned.

Pure: no files, no database. `registry.py` reads the files and puts the entries together.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from consent.gate.rules import Tier
from consent.registry.personal_data import finding, is_denied_name

KINDS = ("text", "choice", "integer", "number", "boolean")
TIERS = {"base": Tier.BASE, "detailed": Tier.DETAILED}
MAX_TEXT = 255  # characters; the longest a declared text may be
OTHER = "other"  # what a value outside a list of choices becomes

_NAME = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")
# A repeat of a group that itself repeats without a bound backtracks exponentially: `(a+)+`.
_NESTED_REPEAT = re.compile(r"[*+]\)[*+{]|[*+]\)\?[*+{]|,\}\)[*+{]")


class Kept(NamedTuple):
    """A value that may be stored, as it may be stored."""

    value: object


class Dropped(NamedTuple):
    """A value that is not stored, and why, in a word."""

    reason: str


@dataclass(frozen=True)
class Attribute:
    """A declared attribute. `also` are other names under which apps send it."""

    name: str
    kind: str
    tier: Tier
    purpose: str
    why: str
    example: str | int | float | bool
    also: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    pattern: str = ""
    max_length: int = MAX_TEXT
    minimum: float | None = None
    maximum: float | None = None

    def as_declared(self) -> dict[str, Any]:
        """The entry in plain types, for the digest and the transparency page."""
        lists = {"also": list(self.also), "values": list(self.values)}
        return {**asdict(self), **lists, "tier": self.tier.name.lower()}

    @classmethod
    def declared(cls, entry: Mapping[str, Any]) -> "Attribute":
        """The attribute of an `as_declared()`."""
        lists = {"also": tuple(entry["also"]), "values": tuple(entry["values"])}
        return cls(**{**entry, **lists, "tier": TIERS[entry["tier"]]})

    @property
    def allowed(self) -> str:
        """What values are let through, in words."""
        if self.kind == "boolean":
            return "true or false"
        if self.kind == "choice":
            return f"{', '.join(self.values)}; anything else becomes “{OTHER}”"
        if self.kind in ("integer", "number"):
            return f"from {self.minimum:g} to {self.maximum:g}"
        return f"up to {self.max_length} characters of the form {self.pattern}"


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
    """A value where text belongs: numbers are written out; truth values, lists and the like are none."""
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
    """`text` without what PostgreSQL or a page cannot hold: control characters become U+FFFD."""
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
    canonical = {value.lower(): Kept(value) for value in attribute.values}
    other = Kept(OTHER)

    def clean(value: object) -> Kept | Dropped:
        text = as_text(value)
        if text is None:
            return Dropped("type")
        text = text.strip().lower() if len(text) <= MAX_TEXT else OTHER
        # An app that has no value often sends the word for nothing of its language.
        return Dropped("empty") if text in {"", "none", "null", "undefined"} else canonical.get(text, other)

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


_NUMBER = re.compile(r"[+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,3})?", re.ASCII)


def as_number(value: object) -> int | float | None:
    """A finite number, also when it was sent as text; None for everything else."""
    if isinstance(value, str) and len(value) <= 100 and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) or math.isfinite(value) else None


# --- Checking an entry ---------------------------------------------------------------------------
_WRITTEN: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "type": str,
    "tier": str,
    "purpose": str,
    "why": str,
    "example": (str, int, float, bool),
    "also": list,
    "values": list,
    "pattern": str,
    "max_length": int,
    "minimum": (int, float),
    "maximum": (int, float),
}
_REQUIRED = ("name", "type", "tier", "purpose", "why", "example")


def attribute_from(entry: Mapping[str, Any], label: str, mistakes: list[str]) -> Attribute | None:
    """The declared attribute, or None after adding what is wrong with the entry to `mistakes`."""
    at = f"{label}: attribute '{str(entry.get('name', '?'))[:60]}'"
    found = [f"{at}: unknown word '{word}'" for word in entry if word not in _WRITTEN]
    found += [f"{at}: '{word}' is missing" for word in _REQUIRED if word not in entry]
    found += [
        f"{at}: '{word}' has the wrong type"
        for word, kind in _WRITTEN.items()
        if word in entry and not isinstance(entry[word], kind)
    ]
    if not found:
        found += [f"{at}: {mistake}" for mistake in _mistakes(entry)]
    if found:
        mistakes += found
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
        pattern=entry.get("pattern", ""),
        max_length=entry.get("max_length", MAX_TEXT),
        minimum=entry.get("minimum"),
        maximum=entry.get("maximum"),
    )
    answer = cleaner(attribute)(attribute.example)
    if answer != Kept(attribute.example):
        mistakes.append(f"{at}: its own example is not let through")
        return None
    return attribute


def _mistakes(entry: Mapping[str, Any]) -> list[str]:
    found = []
    name, kind = entry["name"], entry["type"]
    if not _NAME.fullmatch(name) or len(name) > 60:
        found.append("a name is lower-case words joined by '.' or '_', at most 60 characters")
    if is_denied_name(name):
        found.append("this name stands for something personal or secret, which is never stored")
    if kind not in KINDS:
        return [*found, f"type '{kind}' is none of {', '.join(KINDS)}"]
    if entry["tier"] not in TIERS:
        found.append(f"tier '{entry['tier']}' is none of {', '.join(TIERS)}")
    found += [f"'{word}' must not be empty" for word in ("purpose", "why") if not entry[word].strip()]
    if not all(isinstance(other, str) and other for other in entry.get("also", ())):
        found.append("'also' must be a list of names")
    elif any(is_denied_name(other) for other in entry.get("also", ())):
        found.append("a name in 'also' stands for something personal or secret")
    if kind == "choice":
        values = entry.get("values", [])
        if not values or not all(isinstance(value, str) and value for value in values):
            found.append("a choice needs 'values', a list of texts")
    elif kind == "text":
        found += _text_mistakes(entry)
    elif kind in ("integer", "number"):
        low, high = entry.get("minimum"), entry.get("maximum")
        if low is None or high is None or not low < high:
            found.append("a number needs 'minimum' and 'maximum', the first being smaller")
    return found


def _text_mistakes(entry: Mapping[str, Any]) -> list[str]:
    if "pattern" not in entry:
        return ["a text needs a 'pattern' that the whole value must match"]
    found = []
    try:
        re.compile(entry["pattern"])
    except (re.error, OverflowError, RecursionError) as error:
        found.append(f"'pattern' is no regular expression ({error})")
    if _NESTED_REPEAT.search(entry["pattern"]) or re.search(r"\\\d", entry["pattern"]):
        found.append("'pattern' repeats a group that repeats, or refers back: that can take for ever")
    if not 0 < entry.get("max_length", MAX_TEXT) <= MAX_TEXT:
        found.append(f"'max_length' must be 1 to {MAX_TEXT}")
    return found
