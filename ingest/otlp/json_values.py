"""OTLP/JSON values as Python values: attributes, 64-bit numbers, times, enums (ProtoJSON, OTLP 1.11)."""

import base64
import binascii
import re
from decimal import Decimal
from typing import Any

from ingest.otlp.json_messages import AnyValue, KeyValue, Number
from ingest.otlp.records import INT64, MAX_DEPTH, Malformed

UINT64_MAX = 2**64 - 1
INT32 = range(-(2**31), 2**31)
_WHOLE = re.compile(r"[0-9]{1,40}(\.0{1,9})?([eE]\+?[0-9]{1,2})?")
_ENUM = re.compile(r"-?[0-9]{1,10}")
_NAMES = {
    f"SPAN_KIND_{name}": number
    for number, name in enumerate(("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"))
} | {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2, "SEVERITY_NUMBER_UNSPECIFIED": 0}
_NAMES |= {
    f"SEVERITY_NUMBER_{name}{step or ''}": 4 * number + max(step, 1)
    for number, name in enumerate(("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"))
    for step in (0, 2, 3, 4)
}


def attributes_from(pairs: list[KeyValue] | None) -> dict[str, Any]:
    """Attributes as a dict; of equal keys the last one counts."""
    if not pairs:
        return {}
    return {
        pair.key or "": None
        if (value := pair.value) is None
        else value_from(value)
        if (text := value.string_value) is None
        else text
        for pair in pairs
    }


def value_from(value: AnyValue, depth: int = 0) -> Any:
    """An AnyValue as a Python value. Empty, nested too deeply or of an unknown kind: None.

    Raises `Malformed` for text where true or false belongs.
    """
    if value.string_value is not None:
        return value.string_value
    if value.int_value is not None:
        return _integer(value.int_value)
    if value.bool_value is not None:
        if not isinstance(value.bool_value, bool):
            raise Malformed("boolValue")
        return value.bool_value
    if value.double_value is not None:
        return _double(value.double_value)
    if depth >= MAX_DEPTH:
        return None
    if value.array_value is not None:
        return [value_from(one, depth + 1) if one else None for one in value.array_value.values or ()]
    if value.kvlist_value is not None:
        pairs = value.kvlist_value.values or ()
        return {pair.key or "": value_from(pair.value, depth + 1) if pair.value else None for pair in pairs}
    return _bytes(value.bytes_value) if value.bytes_value is not None else None


def _integer(value: int | float | str) -> int | float | None:
    """An int64, sent as a number or as decimal text. One too large (JavaScript's 1e+21) becomes a double."""
    if isinstance(value, str):
        digits = value[1:] if value[:1] == "-" else value
        if not (digits.isascii() and digits.isdecimal()) or len(digits) > 19:
            return None
        value = int(value)
    elif isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        value = int(value)
    return value if isinstance(value, float) or value in INT64 else _double(value)


def _double(value: int | float | str) -> float | None:
    """A double, sent as a number, as text, or as ProtoJSON's NaN, Infinity or -Infinity."""
    try:
        return float(value) if not isinstance(value, str) or (value.isascii() and len(value) < 400) else None
    except (ValueError, OverflowError):
        return None


def nanoseconds(value: Number, field: str) -> int:
    """A time (fixed64), sent as a number or as text; 0 is absent. Raises `Malformed`."""
    if type(value) is int:
        if 0 <= value <= UINT64_MAX:
            return value
    elif value is None:
        return 0
    elif isinstance(value, str):
        if _WHOLE.fullmatch(value):
            return nanoseconds(int(Decimal(value)), field)
    elif float(value).is_integer():
        return nanoseconds(int(value), field)
    raise Malformed(field)


def enum(value: int | str | None, field: str) -> int:
    """An enum's number. OTLP does not allow an enum's name, but some senders write it, and it is clear.

    Raises `Malformed`.
    """
    if type(value) is int:
        return value
    if value is None:
        return 0
    number = int(value) if isinstance(value, str) and _ENUM.fullmatch(value) else _NAMES.get(str(value))
    if number is None or number not in INT32:
        raise Malformed(field)
    return number


def _bytes(text: str) -> bytes | None:
    """Base64, standard or URL-safe, padded or not."""
    try:
        return base64.b64decode(
            text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True
        )
    except (binascii.Error, ValueError):
        return None
