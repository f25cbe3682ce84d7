"""Rewrites routes as frameworks write them, so that each part is words or variables.

Django sends regular expressions (`^items/(?P<pk>\\d+)/$`), Werkzeug converters with arguments
(`<string(length=2):code>`), Express patterns, optional parts, lists and expressions (`/:id(\\d+)`,
`/files{/*rest}`). Of a pattern only the names of its variables and its literal text are left.
"""

import re

MAX_NESTED = 5  # groups within groups; deeper ones are a variable as a whole
ID = "{id}"

_EXPRESSION = re.compile(r"\^|.*(?:\$$|\(\?|\([\\\[.])", re.DOTALL)
_JS_EXPRESSION = re.compile(r"/(\^.*)/[dgimsuvy]{0,8}", re.DOTALL)
_NAMED = re.compile(r"\(\?P?<([A-Za-z_]\w{0,39})>")
_QUANTIFIER = re.compile(r"(?:[*+?]|\{\d{0,4},?\d{0,4}\})\??")
_REPEATED = re.compile(r"\.[*+]")

_CONVERTER = re.compile(r"<([A-Za-z_]\w{0,39})(?:\([^<>]{0,200}\))?:([A-Za-z_]\w{0,39})>")
_SHORT_CONVERTER = re.compile(r"[a-z]{1,10}")
_WITH_PATTERN = re.compile(r"(:[A-Za-z_]\w{0,39})\(")
_OPTIONAL = re.compile(r"\{([/.][^{}]{0,200})\}")
_WILDCARD = re.compile(r"(?<=/)\*([A-Za-z_]\w{0,39})(?=/|$)")
# Several variables in one part, or a variable and text: `:from-:to`, `<slug:name>.html`.
_COLON_PART = re.compile(r"(?<=/):[A-Za-z_]\w{0,39}(?:[-.~,@]:[A-Za-z_]\w{0,39}){1,10}(?=/|$)")
_COLON = re.compile(r":([A-Za-z_]\w{0,39})")
_ANGLE_PART = re.compile(r"[^/<>]*<[^/<>]{1,60}>[^/]*")
_ANGLE = re.compile(r"<(?:[a-z]{1,10}:)?([A-Za-z_]\w{0,39})>")


def plain_route(route: str) -> str:
    """A route without the syntax that only its framework understands."""
    if literal := _JS_EXPRESSION.fullmatch(route):
        return _literal_text(literal[1])
    route = _without_patterns(route)
    if _EXPRESSION.match(route):
        route = _literal_text(route)
    route = route.partition(",/")[0]  # the first of several
    for _ in range(MAX_NESTED):
        route = _OPTIONAL.sub(r"\1", route)
    route = _WILDCARD.sub(r"{*\1}", route)
    route = _COLON_PART.sub(lambda part: _COLON.sub(r"{\1}", part[0]), route)
    route = _CONVERTER.sub(_short_converter, route)
    return _ANGLE_PART.sub(lambda part: _in_braces(part[0]), route)


def _short_converter(found: re.Match[str]) -> str:
    return f"<{found[1]}:{found[2]}>" if _SHORT_CONVERTER.fullmatch(found[1]) else f"<{found[2]}>"


def _in_braces(part: str) -> str:
    return part if _ANGLE.fullmatch(part) else _ANGLE.sub(r"{\1}", part)


def _without_patterns(route: str) -> str:
    """`/orders/:id(\\d+)` without the pattern that the variable must match."""
    kept, start = [], 0
    while found := _WITH_PATTERN.search(route, start):
        kept.append(route[start : found.end(1)])
        start = _end_of_group(route, found.end(1))
    return "".join((*kept, route[start:]))


def _literal_text(expression: str, depth: int = 0) -> str:
    """What an expression matches: its literal text, and a variable for everything else."""
    pieces: list[str] = []
    at = 0
    while at < len(expression):
        piece, at = _next_piece(expression, at, depth)
        if piece != ID or pieces[-1:] != [ID]:
            pieces.append(piece)
        if quantifier := _QUANTIFIER.match(expression, at):
            at = quantifier.end()
    return "".join(pieces)


def _next_piece(expression: str, at: int, depth: int) -> tuple[str, int]:
    """What stands for the next part of an expression, and where that part ends."""
    character = expression[at]
    if character == "\\":
        escaped = expression[at + 1 : at + 2]
        return ("" if escaped in "AZbBz" else ID if escaped.isalnum() else escaped), at + 2
    if character == "(":
        end = _end_of_group(expression, at)
        return _group(expression[at:end], depth), end
    if character == "[":
        return ID, _end_of_class(expression, at)
    if character == "." and _REPEATED.match(expression, at):
        return ID, at + 1
    if character == "|":  # another route altogether
        return "", len(expression)
    return ("" if character in "^$" else character), at + 1


def _group(group: str, depth: int) -> str:
    if named := _NAMED.match(group):
        return "{" + named[1] + "}"
    if group.startswith("(?:") and "|" not in group and depth < MAX_NESTED:
        return _literal_text(group[3:-1], depth + 1)
    return "" if group.startswith("(?") and not group.startswith(("(?:", "(?P", "(?<")) else ID


def _end_of_group(text: str, at: int) -> int:
    """Where the group ends that begins here; the end of the text if it is left open."""
    depth = 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "[":
            at = _end_of_class(text, at) - 1
        elif text[at] == "(":
            depth += 1
        elif text[at] == ")":
            depth -= 1
            if not depth:
                return at + 1
        at += 1
    return len(text)


def _end_of_class(text: str, at: int) -> int:
    """Where a class such as `[^/]` ends."""
    at += 3 if text[at + 1 : at + 2] == "^" else 2  # a `]` that comes first belongs to it
    while at < len(text) and text[at] != "]":
        at += 2 if text[at] == "\\" else 1
    return min(at + 1, len(text))
