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
    dimension: bool = False  # reports can be filtered by its values

    def as_declared(self) -> dict[str, Any]:
        """The entry in plain types, for the digest and the privacy page."""
        lists = {"also": list(self.also), "values": list(self.values)}
        return {**asdict(self), **lists, "tier": self.tier.name.lower()}

    @classmethod
    def declared(cls, entry: Mapping[str, Any]) -> "Attribute":
        """The attribute that `as_declared()` was called on."""
        lists = {"also": tuple(entry["also"]), "values": tuple(entry["values"])}
        return cls(**{**entry, **lists, "tier": TIERS[entry["tier"]]})

    @property
    def allowed(self) -> str:
        """The allowed values, in words."""
        if self.kind == "boolean":
            return "true or false"
        if self.kind == "choice":
            return f"{', '.join(self.values)}; anything else becomes “{OTHER}”"
        if self.kind in ("integer", "number"):
            return f"from {self.minimum:g} to {self.maximum:g}"
        return f"up to {self.max_length} characters of the form {self.pattern}"
