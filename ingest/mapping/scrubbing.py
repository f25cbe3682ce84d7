"""What text of a record may be kept: declared attributes, and names that hold nothing personal."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from consent.pseudonyms import NO_ID
from consent.registry.cleaning import Dropped, Kept, as_text, printable
from consent.registry.personal_data import finding, is_persons_name
from consent.registry.registry import Registry
from ingest.mapping import aliases
from ingest.mapping.identity import RecordRefused

MAX_NAME = 100  # characters: features and actions
MAX_EVENT_TYPE = 50  # characters
MAX_READ = 2048  # characters of a name; nothing beyond is looked at
MAX_WORDS = 4  # of a name; more of them are a sentence, which may be about anybody
MIN_RAW_ID = 4  # characters; a shorter id is likely to be part of a word, and is looked for as a whole word
MAX_SHORT_WORDS = 16  # of one row's texts that are remembered
MIN_NAME = 3  # characters of a person's or a customer's name; the same
MAX_PRIVATE = 32  # ids, and names, of one record that are looked for

# Columns of their own, or computed: never copied from what was sent.
_NOT_COPIED = frozenset({aliases.PAGE, "deployment_type"})
# An id within a name says nothing about the feature.
_ID = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
    r"|(?=[A-Fa-f]{0,64}\d)[0-9A-Fa-f]{12,64}|\d{3,64})(?![0-9A-Za-z])"
)
_SHORT_WORD = re.compile(rf"(?<![^\W_])[^\W_]{{1,{MIN_RAW_ID - 1}}}(?![^\W_])")
_NUMBER = re.compile(r"\d{5,64}")
# Accounts that are not a person's, and words that apps send for nobody.
_NOBODY = NO_ID | {"admin", "administrator", "api", "default", "demo", "guest", "root", "system", "test"}
_NOBODY |= {"user", "unknown", "anonymous", "true", "false", "web", "app"}


class Private(NamedTuple):
    """What a record itself shows to be private: none of its text that is stored may contain any of these.

    Letter case never matters, since apps write one id in several ways.
    """

    ids: tuple[str, ...] = ()  # in lower case
    names: tuple[re.Pattern[str], ...] = ()  # of a person, a customer, a project

    def joined(self, other: "Private") -> "Private":
        if not other.ids and not other.names:
            return self
        return Private(self.ids + other.ids, self.names + other.names)

    def without(self, text: str) -> str:
        """`text` with everything private in it replaced by `{id}`."""
        for raw in self.ids:
            if _has_id(text, raw):
                text = _id_pattern(raw).sub("{id}", text)
                if _has_id(text.replace("{id}", ""), raw):  # a letter that has no single other case
                    return "{id}"
        for pattern in self.names:
            text = pattern.sub("{id}", text)
        return text

    def is_in(self, text: str) -> bool:
        return any(_has_id(text, raw) for raw in self.ids) or any(name.search(text) for name in self.names)

    def of_values(self) -> "Private":
        """What may be in no declared text either. There, a short number is part of a version, not an id."""
        ids = (raw for raw in self.ids if len(raw) >= MIN_RAW_ID or not raw.isdigit())
        return self._replace(ids=tuple(ids))


def _has_id(text: str, raw: str) -> bool:
    """Whether an id (in lower case) is in a text: a short one as a word of its own."""
    if raw not in text.lower():
        return False
    return len(raw) >= MIN_RAW_ID or _id_pattern(raw).search(text.lower()) is not None


@lru_cache(maxsize=1024)
def _id_pattern(raw: str) -> re.Pattern[str]:
    """Matches an id in any letter case; a short one between characters that belong to no word."""
    inner = re.escape(raw)
    whole = inner if len(raw) >= MIN_RAW_ID else rf"(?<![^\W_]){inner}(?![^\W_])"
    return re.compile(whole, re.IGNORECASE)


class Texts(NamedTuple):
    """The texts of one row, in lower case, prepared for looking up ids in them."""

    whole: str
    # Words as short as short ids: of all texts, and of those that are no declared values. None: not known,
    # because there are many, or letters that have further cases.
    short_words: frozenset[str] | None
    short_names: frozenset[str]

    def may_have(self, raw: str) -> bool:
        """Whether an id (in lower case) may have to be taken out. Says no only where it is certain."""
        if len(raw) >= MIN_RAW_ID or self.short_words is None or not raw.isalnum():
            return raw in self.whole if raw else False
        return raw in (self.short_names if raw.isdigit() else self.short_words)


def texts_of(names: Iterable[str], metadata: Mapping[str, Any]) -> Texts:
    """The texts of a row: its names and templates, and its declared attributes."""
    named = "\n".join(word[:MAX_READ] for word in names).lower()
    whole = "\n".join((named, *(text.lower() for text in metadata.values() if isinstance(text, str))))
    words = frozenset(_SHORT_WORD.findall(whole)) if whole.isascii() else None
    if words is not None and len(words) > MAX_SHORT_WORDS:
        words = None
    return Texts(whole, words, words.intersection(_SHORT_WORD.findall(named)) if words else frozenset())


class _Kinds(dict[str, str]):
    """What an attribute's name says about its value: `id`, `name` (of somebody) or ''. A cache."""

    def __missing__(self, attribute: str) -> str:
        kind = "id" if attribute in aliases.ID_NAMES else "name" if is_persons_name(attribute[:100]) else ""
        if len(attribute) <= 100:
            if len(self) >= 4096:
                self.clear()
            self[attribute] = kind
        return kind


_kinds = _Kinds()


def names_a_person(attribute: str) -> bool:
    """Whether an attribute of this name holds the name of a person or a customer."""
    return _kinds[attribute] == "name"


def private(attributes: Mapping[str, Any]) -> Private:
    """The ids among these attributes, and the names of persons and customers."""
    telling = [(kind, value) for name, value in attributes.items() if (kind := _kinds[name])]
    if not telling:
        return NOTHING_PRIVATE
    texts = [(kind, text) for kind, value in telling if (text := as_text(value))]
    ids = [raw for kind, text in texts if kind == "id" and (raw := text.strip().lower()) not in NO_ID]
    names = [text for kind, text in texts if kind == "name"]
    return Private(
        tuple(raw for raw in ids[:MAX_PRIVATE] if len(raw) >= MIN_RAW_ID or raw not in _NOBODY),
        tuple(filter(None, map(_name_pattern, names[:MAX_PRIVATE]))),
    )


NOTHING_PRIVATE = Private()


def _name_pattern(text: str) -> re.Pattern[str] | None:
    text = text.strip()
    if not MIN_NAME <= len(text) <= MAX_NAME or text.lower() in _NOBODY:
        return None
    return _words_pattern(text.lower())


@lru_cache(maxsize=1024)
def _words_pattern(text: str) -> re.Pattern[str] | None:
    """Matches a name in any spelling: `ACME Industries` is also in `acme-industries.opened`."""
    words = re.findall(r"[^\W_]+", text)
    if not words:
        return None
    inner = r"[\W_]{0,3}".join(map(re.escape, words))
    return re.compile(rf"(?<![^\W_]){inner}(?![^\W_])", re.IGNORECASE)


def metadata(
    attributes: Mapping[str, Any],
    registry: Registry,
    hidden: Private,
    columns: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """The declared attributes among these, cleaned, under their declared names.

    `columns` are declared names that this row has a column for. Of an attribute sent under several names
    the value under its own name counts.
    """
    stored: dict[str, Any] = {}
    find = registry.find
    for sent, value in attributes.items():
        declared = find(sent)
        if declared is None:
            continue
        name, clean = declared
        if name in _NOT_COPIED or name in columns or value is None or (name in stored and sent != name):
            continue
        answer = unless_private(clean(value), name, registry, hidden)
        if isinstance(answer, Kept):
            stored[name] = answer.value
    return stored


def is_copied(sent: str, registry: Registry) -> bool:
    """Whether an attribute sent under this name may get into the metadata."""
    declared = registry.find(sent)
    return declared is not None and declared[0] not in _NOT_COPIED


def unless_private(answer: Kept | Dropped, name: str, registry: Registry, hidden: Private) -> Kept | Dropped:
    """A cleaned value, dropped if it is free text that repeats something private."""
    value = answer.value if isinstance(answer, Kept) else None
    if isinstance(value, str) and registry.attributes[name].kind == "text":
        return Dropped("private") if hidden.of_values().is_in(value) else answer
    return answer


def facts(
    attributes: Iterable[Mapping[str, Any]], registry: Registry, hidden: Private, names: Iterable[str]
) -> dict[str, str]:
    """For each declared attribute in `names`, the first value that may be kept, as text."""
    cleaned = {}
    for name in names:
        for sent in (name, *registry.attributes[name].also):
            value = next((of[sent] for of in attributes if of.get(sent) is not None), None)
            answer = unless_private(registry.clean(name, value), name, registry, hidden)
            if isinstance(answer, Kept):
                cleaned[name] = str(answer.value)
                break
    return cleaned


def name(text: str, limit: int, hidden: Private) -> str:
    """A feature, action or event type as it may be stored. Raises `RecordRefused` when it looks personal."""
    clean, problem = _name(hidden.without(text[:MAX_READ]))
    if problem:
        raise RecordRefused(problem)
    return clean[:limit]


@lru_cache(maxsize=8192)
def _name(text: str) -> tuple[str, str]:
    words = printable(text).split()
    clean = _ID.sub("{id}", " ".join(words))
    if not clean:
        return "", "incomplete"
    if finding(clean):  # before numbers are taken out of words: a key without its digits would look harmless
        return "", "personal_data"
    return _NUMBER.sub("{id}", clean), "free_text" if len(words) > MAX_WORDS else ""


def path(template: str, hidden: Private) -> str:
    """An endpoint's or page's template, with parts that hold something private replaced by `{id}`."""
    if not hidden.is_in(template) and not hidden.is_in(unquote(template)):
        return template
    return "/".join("{id}" if hidden.is_in(unquote(part)) else part for part in template.split("/"))
