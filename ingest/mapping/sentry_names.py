"""Names in Sentry-shaped events: a message that is an event's name, and where an exception was thrown."""

import re
from collections.abc import Sequence
from typing import Any

from ingest.mapping.sentry_attributes import text
from ingest.sentry.messages import ClientEvent, Frame, Thrown, ThrownValues

PREFIXES = ("event:", "feature:")  # of a message that names an event
NO_MODULE = "<anonymous>"

_NAME = re.compile(r"\$?[A-Za-z_][\w-]*(?:[.:/][A-Za-z_<][\w>-]*)*", re.ASCII)
_FUNCTION = re.compile(r"[A-Za-z_$<][\w$<>]*(?:(?:\.|::|->|#)[A-Za-z_$<][\w$<>]*)*", re.ASCII)
_BUILT_IN = frozenset({"", "builtins", "__builtins__"})


def message_of(event: ClientEvent) -> str:
    """A message that is short enough to be an event's name, else ''."""
    for message in (event.message, *_logged(event)):
        if isinstance(message, dict):  # older clients
            message = message.get("formatted") or message.get("message")
        if text(message):
            return text(message).strip()
    return ""


def _logged(event: ClientEvent) -> Sequence[Any]:
    return (event.logentry.formatted, event.logentry.message) if event.logentry else ()


def without_prefix(name: str) -> str:
    """`event:feature:x` without what says that it is a name."""
    while name.startswith(PREFIXES):
        name = name.partition(":")[2].strip()
    return name


def in_name_form(name: str) -> bool:
    """Whether this is a name as programs have them: words joined by dots, colons or slashes."""
    return _NAME.fullmatch(name) is not None


def caught(exception: ThrownValues | list[Thrown | None] | None) -> Thrown | None:
    """The exception that was caught: causes come before it. None if there is none.

    Clients for browsers send one without a type beside a message, to say where it was sent.
    """
    values = exception.values if isinstance(exception, ThrownValues) else exception
    last = next(filter(None, reversed(values or [])), None)
    return last if last and text(last.type) else None


def error_type(thrown: Thrown) -> str:
    """The class of an exception, with its module if it has one: `shop.errors.OutOfStock`."""
    kind, module = text(thrown.type), text(thrown.module)
    return kind if module in _BUILT_IN or kind.startswith(f"{module}.") else f"{module}.{kind}"


def place_of(thrown: Thrown) -> str:
    """Module and function of the innermost call in the app's own code, else of the innermost; '' if unknown.

    Never a path, a file or a line.
    """
    frames = [frame for frame in (thrown.stacktrace.frames if thrown.stacktrace else None) or () if frame]
    own = [frame for frame in frames if frame.in_app is True]
    return _place(own[-1] if own else frames[-1]) if frames else ""


def _place(frame: Frame) -> str:
    """`shop.cart.Basket.add`. In browsers functions have no module: `<anonymous>.fillCart`."""
    module, function = text(frame.module), text(frame.function)
    if not _FUNCTION.fullmatch(function) or not _FUNCTION.fullmatch(module or NO_MODULE):
        return ""
    return f"{module}.{function}" if module else function if "." in function else f"{NO_MODULE}.{function}"
