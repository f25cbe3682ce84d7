"""One declared attribute of the registry: what it is called, and which values it may have."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from consent.gate.rules import Tier

KINDS = ("text", "choice", "integer", "number", "boolean")
TIERS = {"base": Tier.BASE, "detailed": Tier.DETAILED}
MAX_TEXT = 255  # characters; the longest a declared text may be
OTHER = "other"  # what a value outside a list of choices becomes


@dataclass(frozen=True)
class Attribute:
    """A declared attribute. `also` are other names under which apps send it.

    `spellings` are other words for a choice's values: pairs of a word in lower case and a value, '' for none.
    """

    name: str
    kind: str
    tier: Tier
    purpose: str
    why: str
    example: str | int | float | bool
    also: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    spellings: tuple[tuple[str, str], ...] = ()
    pattern: str = ""
    max_length: int = MAX_TEXT
    minimum: float | None = None
    maximum: float | None = None
    dimension: bool = False  # reports can be filtered by its values

    def as_declared(self) -> dict[str, Any]:
        """The entry in plain types, for the digest and the privacy page."""
        lists = {"also": list(self.also), "values": list(self.values), "spellings": dict(self.spellings)}
        return {**asdict(self), **lists, "tier": self.tier.name.lower()}

    @classmethod
    def declared(cls, entry: Mapping[str, Any]) -> "Attribute":
        """The attribute that `as_declared()` was called on, also by a version that knew no `spellings`."""
        lists = {
            "also": tuple(entry["also"]),
            "values": tuple(entry["values"]),
            "spellings": tuple(entry.get("spellings", {}).items()),
        }
        return cls(**{**entry, **lists, "tier": TIERS[entry["tier"]]})

    @property
    def choices(self) -> list[str]:
        """A choice's values, each with its other spellings."""
        others = {value: [word for word, meant in self.spellings if meant == value] for value in self.values}
        return [f"{value} (or {', '.join(words)})" if words else value for value, words in others.items()]

    @property
    def allowed(self) -> str:
        """The allowed values, in words."""
        if self.kind == "boolean":
            return "true or false"
        if self.kind == "choice":
            return f"{', '.join(self.choices)}; anything else becomes “{OTHER}”"
        if self.kind in ("integer", "number"):
            return f"from {self.minimum:g} to {self.maximum:g}"
        return f"up to {self.max_length} characters of the form {self.pattern}"
