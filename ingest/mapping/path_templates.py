"""Turns paths into templates: `/projects/17` is never stored, `/projects/{id}` is.

A route (`http.route`) should be a template, but some apps put the raw path there, so every part of it that
looks like an id or a person becomes `{id}`. A raw path is matched against known templates, and becomes
`{unmatched}` if none fits: no rule can tell a name in a path from a word.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote

from consent.registry.personal_data import finding, looks_random
from ingest.mapping.route_syntax import ID, plain_route

UNMATCHED = "{unmatched}"
MAX_LENGTH = 255  # characters, the width of the column
MAX_PATH = 2048  # characters; nothing beyond is looked at
MAX_SEGMENTS = 40

# `{id}`, `{id:int}`, `<int:id>`, `:id`, `[id]`, `[...slug]`, `*`: how frameworks write a variable.
_VARIABLE = re.compile(
    r"\{[*+]?[A-Za-z_][\w.-]{0,39}(?::[A-Za-z]{1,10})?\??\}|<(?:[a-z]{1,10}:)?[A-Za-z_]\w{0,39}>"
    r"|:[A-Za-z_]\w{0,39}\??|\[{1,2}(?:\.\.\.)?[A-Za-z_][\w-]{0,39}\]{1,2}|\*{1,2}"
)
_CATCH_ALL = re.compile(r"\*{1,2}|\{[*+].*|\{.*:path\}|<path:.*|\[{1,2}\.\.\..*")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}|\.well-known|[A-Za-z]{1,30}:[A-Za-z]{1,30}")
_METHOD = re.compile(r"\s*[A-Z]{3,7}\s+(?=/)")  # `GET /users/{id}`
_HEX = re.compile(r"[0-9A-Fa-f]{8,}")
_LIKE_A_PERSON = re.compile(r"[A-Z][a-z]{1,30}(?:[._ +-][A-Z][a-z]{0,30}){1,3}")  # `John_Smith`, `Jane-Doe`
_DOTTED = re.compile(r"[A-Za-z]{2,30}(?:[._-][A-Za-z]{1,30}){0,3}\.[A-Za-z]{2,30}")  # `jane.doe`, `app.js`
_EXTENSIONS = frozenset(
    (
        *("html", "htm", "xhtml", "php", "asp", "aspx", "jsp", "cgi", "do", "action", "svc", "asmx", "ashx"),
        *("js", "mjs", "css", "map", "json", "jsonld", "xml", "rss", "atom", "txt", "csv", "pdf", "ico"),
        *(
            "png",
            "jpg",
            "jpeg",
            "gif",
            "svg",
            "webp",
            "woff",
            "webmanifest",
            "yaml",
            "yml",
            "md",
            "zip",
            "ics",
        ),
    )
)

# The part after one of these names a person or a customer, unless it is a common word of routes.
PEOPLE = frozenset(
    (
        *("users", "user", "u", "members", "member", "people", "person", "profiles", "profile", "accounts"),
        *("account", "customers", "customer", "clients", "client", "contacts", "contact", "employees"),
        *("author", "patient", "student", "teacher", "owner", "assignee", "candidates", "candidate", "staff"),
        *("employee", "authors", "patients", "students", "teachers", "owners", "assignees", "home", "~"),
        *("organizations", "organisations", "orgs", "org", "tenants", "workspaces", "companies", "by-name"),
    )
)
_COMMON = frozenset(
    (
        *(
            "me",
            "self",
            "current",
            "new",
            "create",
            "add",
            "edit",
            "update",
            "delete",
            "remove",
            "list",
            "all",
        ),
        *("search", "filter", "count", "stats", "status", "settings", "preferences", "profile", "password"),
        *("login", "logout", "register", "signup", "verify", "reset", "confirm", "invite", "invitations"),
        *("import", "export", "bulk", "batch", "active", "online", "avatar", "roles", "groups", "teams"),
        *("permissions", "telemetry", "enable", "disable", "index", "info", "details", "options", "history"),
        *("notifications", "sessions", "tokens", "keys", "billing", "usage", "members", "users", "projects"),
        *("tasks", "view", "overview", "dashboard", "archive", "archived", "recent", "favorites", "leave"),
    )
)


def route_template(route: str) -> str:
    """A route as it may be stored, at most 255 characters; '' if it holds no path."""
    return _route_template(route[:MAX_PATH])


@lru_cache(maxsize=8192)
def _route_template(route: str) -> str:
    segments = segments_of(plain_route(_METHOD.sub("", route)))
    if segments is None:
        return ""
    is_template = any(_VARIABLE.fullmatch(segment) for segment in segments)
    safe, before = [], ""
    for position, segment in enumerate(segments):
        follows_people = before.lower() in PEOPLE and not is_template
        # `/home` alone is a page of many apps; a home directory has a name below it.
        if before == "home" and position == len(segments) - 1:
            follows_people = False
        safe.append(_safe(segment, follows_people))
        before = segment
    return shortened("/" + "/".join(safe))


def raw_template(path: str, known: Iterable[str], exact: frozenset[str] | set[str]) -> str:
    """The known template that a raw path fits best, or `{unmatched}`.

    `known` are templates with variables, `exact` those without any.
    """
    segments = segments_of(path[:MAX_PATH])
    if segments is None:
        return UNMATCHED
    plain = "/" + "/".join(segments)
    for candidate in (plain, plain.rstrip("/") or "/", plain + "/"):
        if candidate in exact:
            return candidate
    path_parts = [segment for segment in segments if segment]
    best, best_score = UNMATCHED, -1
    for template in known:
        score = _score(template, path_parts)
        if score > best_score:
            best, best_score = template, score
    return best


def has_variable(template: str) -> bool:
    """Whether a template has a part that stands for anything."""
    return any(_VARIABLE.fullmatch(segment) for segment in template.split("/"))


def says_nothing(template: str) -> bool:
    """Whether every path fits a template: `/{path:path}`, by which servers answer for single-page apps."""
    return _CATCH_ALL.fullmatch(template.strip("/")) is not None


def segments_of(path: str) -> list[str] | None:
    """The parts between the slashes, without host, query and fragment; None if it is not a path."""
    path = path.strip().replace("\\", "/")
    scheme, separator, rest = path.partition("://")
    if separator and scheme.isalnum():
        path = "/" + rest.partition("/")[2]
    # `{id?}` is a variable; a question mark anywhere else begins the query.
    path = re.split(r"\?(?![}/]|$)|[#;]", path, maxsplit=1)[0].rstrip("?")
    if not path:
        return None
    parts = path.removeprefix("/").split("/")[:MAX_SEGMENTS]
    last = len(parts) - 1
    return [
        part
        for number, part in enumerate(parts)
        if part not in ("", ".", "..") or (number == last and not part)
    ]


def _safe(segment: str, follows_people: bool) -> str:
    if not segment or _VARIABLE.fullmatch(segment):
        return segment
    if "{" in segment and _without_variables_is_safe(segment):
        return segment
    return ID if is_id(segment) or (follows_people and segment.lower() not in _COMMON) else segment


def _without_variables_is_safe(segment: str) -> bool:
    """Whether only harmless text surrounds the variables, as in `report-{id}.pdf` or `{year}-{month}`."""
    rest = _VARIABLE.sub("", segment)
    return all(character in ".-_~,@" or character.isalpha() for character in rest) and len(rest) <= 40


@lru_cache(maxsize=8192)
def is_id(segment: str) -> bool:
    """Whether a part of a path looks like an id, a person or a secret rather than a word."""
    text = unquote(segment)
    digits = sum(map(str.isdigit, text))
    return (
        not _WORD.fullmatch(text)
        or not text.isascii()
        or digits >= 3
        or digits == len(text)
        or (len(text) >= 8 and digits > 0 and _HEX.fullmatch(text) is not None)
        or (len(text) >= 16 and _HEX.fullmatch(text) is not None)
        or _LIKE_A_PERSON.fullmatch(text) is not None
        or (_DOTTED.fullmatch(text) is not None and text.rpartition(".")[2].lower() not in _EXTENSIONS)
        or looks_random(text)
        or finding(text) is not None
    )


def _score(template: str, path_parts: list[str]) -> int:
    """How well a template fits a path: 2 for each literal part, 1 for each variable; -1 if not at all."""
    parts = [part for part in template.split("/") if part]
    score = 0
    for position, part in enumerate(parts):
        if _CATCH_ALL.fullmatch(part):
            return score
        if position >= len(path_parts):
            return -1
        if part == path_parts[position]:
            score += 2
        elif not _VARIABLE.fullmatch(part):
            return -1
        else:
            score += 1
    return score if len(parts) == len(path_parts) else -1


def shortened(template: str) -> str:
    return template if len(template) <= MAX_LENGTH else template[:MAX_LENGTH].rpartition("/")[0]
