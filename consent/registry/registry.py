"""The registry: the attributes, event names and endpoint templates that may be stored. Nothing else may be.

`collected.toml` comes with Candid. The operator's file, named by `COLLECTED_FILE`, has the same form: it adds
entries, or replaces those of the same name. Both are checked when they are read, with one message for each
mistake. The registry that filters ingest is also the one that `/privacy/` shows.
"""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings

from consent.gate.rules import Tier
from consent.registry import dimensions
from consent.registry.attributes import Attribute
from consent.registry.cleaning import Dropped, Kept, cleaner
from consent.registry.entries import attribute_from
from consent.registry.personal_data import finding

OURS = Path(__file__).parent / "collected.toml"
SECTIONS = {"attribute", "events", "endpoints"}
PREFIX = "metadata."  # some apps put it before attribute names; it is ignored
MAX_NAME = 100  # characters: the width of a feature's column
MAX_ENDPOINT = 255  # characters: the width of an endpoint's column


class RegistryError(Exception):
    """The registry cannot be used. `mistakes` holds a sentence for each mistake."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class Registry:
    """What may be stored. Immutable; `digest` identifies exactly this content."""

    def __init__(
        self,
        attributes: Iterable[Attribute],
        event_names: Iterable[str] = (),
        endpoints: Iterable[str] = (),
        digest: str = "",
    ) -> None:
        self.attributes = {attribute.name: attribute for attribute in attributes}
        self.event_names = frozenset(event_names)
        self.endpoints = tuple(sorted(set(endpoints)))
        self.digest = digest or _digest(self.content())
        self._cleaners = {name: cleaner(attribute) for name, attribute in self.attributes.items()}
        # An attribute's own name goes before another attribute's `also`, whatever their order.
        self.names = {
            **{other: a.name for a in self.attributes.values() for other in a.also},
            **{name: name for name in self.attributes},
        }
        by_name = {sent: (name, self._cleaners[name]) for sent, name in self.names.items()}
        self._by_sent_name = {f"{PREFIX}{sent}": declared for sent, declared in by_name.items()} | by_name
        # find(name it was sent under): the attribute's declared name and its cleaner; None if undeclared.
        self.find = self._by_sent_name.get

    def clean(self, name: str, value: object) -> Kept | Dropped:
        """What may be stored of an attribute's value: `Kept(value)`, or `Dropped(reason)`.

        `name` is the declared name. Reasons: `undeclared`, `type`, `range`, `length`, `pattern`, or
        what the value looks like (`email`, `ip`, `token`, `card`, `home_directory`, `url`).
        """
        clean = self._cleaners.get(name)
        return clean(value) if clean else Dropped("undeclared")

    def content(self) -> dict[str, Any]:
        """The whole registry in plain types, attributes in the order of declaration."""
        return {
            "attributes": [attribute.as_declared() for attribute in self.attributes.values()],
            "events": sorted(self.event_names),
            "endpoints": list(self.endpoints),
        }

    def as_text(self) -> str:
        """The content as text; `from_text` makes the same registry from it."""
        return _json(self.content())

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The names of the attributes that reports can be filtered by, in the order of declaration."""
        return tuple(name for name, attribute in self.attributes.items() if attribute.dimension)

    def of_tier(self, tier: Tier) -> list[Attribute]:
        """The attributes that may be kept at `tier`, in the order of declaration."""
        return [attribute for attribute in self.attributes.values() if attribute.tier <= tier]


class _Source(NamedTuple):
    label: str
    content: dict[str, Any]


def load(paths: Iterable[Path]) -> Registry:
    """Read and check the files; later ones win. Raises `RegistryError` with every mistake."""
    mistakes: list[str] = []
    attributes: dict[str, Attribute] = {}
    event_names: set[str] = set()
    endpoints: set[str] = set()
    for path in paths:
        source = _read(path, mistakes)
        seen: set[str] = set()
        for entry in _list(source, "attribute", mistakes):
            attribute = attribute_from(entry, source.label, mistakes)
            if attribute is None:
                continue
            if attribute.name in seen:
                mistakes.append(f"{source.label}: '{attribute.name}' is declared twice")
            seen.add(attribute.name)
            attributes[attribute.name] = attribute
        event_names |= set(_texts(source, "events", MAX_NAME, mistakes))
        endpoints |= set(_texts(source, "endpoints", MAX_ENDPOINT, mistakes))
    mistakes += _clashes(attributes.values())
    mistakes += dimensions.too_many(attributes.values())
    mistakes += [f"endpoint '{text}' must begin with '/'" for text in endpoints if not text.startswith("/")]
    if mistakes:
        raise RegistryError(mistakes)
    return Registry(attributes.values(), event_names, endpoints)


def from_text(text: str) -> Registry:
    """The registry of a `Registry.as_text()`. Raises `RegistryError` if the text is damaged."""
    try:
        content = json.loads(text)
        attributes = [Attribute.declared(entry) for entry in content["attributes"]]
        return Registry(attributes, content["events"], content["endpoints"], digest=_digest(content))
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryError([f"the active registry cannot be read ({type(error).__name__})"]) from error


def files() -> list[Path]:
    """The files that declare what is collected, our own first."""
    return [OURS, *([Path(settings.COLLECTED_FILE)] if settings.COLLECTED_FILE else [])]


_current: Registry | None = None


def current_registry() -> Registry:
    """This process's registry: the files' at first, then the active one. Raises `RegistryError`."""
    return _current or use(load(files()))


def use(registry: Registry | None) -> Registry:
    """Use this registry from now on; None means the files' again."""
    global _current
    _current = registry
    return current_registry() if registry is None else registry


def _read(path: Path, mistakes: list[str]) -> _Source:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        mistakes.append(f"{path.name}: cannot be read ({error.strerror})")
        content = {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        mistakes.append(f"{path.name}: is not TOML: {error}")
        content = {}
    for section in sorted(content.keys() - SECTIONS):
        mistakes.append(f"{path.name}: unknown section '{section}'; there are {', '.join(sorted(SECTIONS))}")
    return _Source(path.name, content)


def _list(source: _Source, section: str, mistakes: list[str]) -> list[Mapping[str, Any]]:
    entries = source.content.get(section, [])
    if isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries):
        return entries
    mistakes.append(f"{source.label}: write each attribute as a table of its own, [[attribute]]")
    return []


def _texts(source: _Source, section: str, limit: int, mistakes: list[str]) -> list[str]:
    table, key = source.content.get(section, {}), "names" if section == "events" else "templates"
    listed = table.get(key, []) if isinstance(table, dict) else None
    if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
        mistakes.append(f"{source.label}: [{section}] must hold one list of texts")
        return []
    for text in listed:
        if not 0 < len(text) <= limit:
            mistakes.append(f"{source.label}: '{text[:40]}' in [{section}] must have 1 to {limit} characters")
        elif section == "events" and finding(text):
            mistakes.append(f"{source.label}: '{text[:40]}' in [{section}] looks personal ({finding(text)})")
    return listed


def _clashes(attributes: Iterable[Attribute]) -> list[str]:
    claimed: dict[str, str] = {}
    mistakes = []
    for attribute in attributes:
        for other in attribute.also:
            first = claimed.setdefault(other, attribute.name)
            if first != attribute.name:
                mistakes.append(f"'{other}' is another name for both '{first}' and '{attribute.name}'")
    return mistakes


def _digest(content: Mapping[str, Any]) -> str:
    attributes = sorted(content["attributes"], key=lambda entry: str(entry["name"]))
    return hashlib.sha256(_json({**content, "attributes": attributes}).encode()).hexdigest()


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
