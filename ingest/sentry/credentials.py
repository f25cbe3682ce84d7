"""The key of a DSN in a request: in the header `X-Sentry-Auth`, in `Authorization`, or in the address.

Clients for browsers put it into the address, so that no preflight is needed. There proxies may log it.
"""

from typing import NamedTuple
from urllib.parse import parse_qsl

from consent.api.do_not_track import Headers

METHOD = "sentry "  # of X-Sentry-Auth and of Authorization
KEY = "sentry_key"
MAX_HEADER = 1000  # characters
MAX_QUERY = 2000  # characters
MAX_FIELDS = 20


class SentKey(NamedTuple):
    """The text of a key, '' if there is none; and whether it stood in the address."""

    text: str
    is_in_address: bool = False


def sent_key(headers: Headers, query: str) -> SentKey:
    """The key that the protocol's own header names, else the address."""
    for name in ("x-sentry-auth", "authorization"):
        text = _in_header(headers.get(name, ""))
        if text:
            return SentKey(text)
    text = _in_query(query)
    return SentKey(text, is_in_address=bool(text))


def _in_header(value: str) -> str:
    """From `Sentry sentry_key=KEY, sentry_version=7, sentry_client=…`."""
    if len(value) > MAX_HEADER or value[: len(METHOD)].lower() != METHOD:
        return ""
    for pair in value[len(METHOD) :].split(","):
        name, _, text = pair.partition("=")
        if name.strip() == KEY:
            return text.strip()
    return ""


def _in_query(query: str) -> str:
    if KEY not in query or len(query) > MAX_QUERY:
        return ""
    try:
        fields = parse_qsl(query, max_num_fields=MAX_FIELDS)
    except ValueError:
        return ""
    return next((text.strip() for name, text in fields if name == KEY), "")
