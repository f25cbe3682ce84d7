"""One POST to `HEARTBEAT_ENDPOINT`, and what its row says afterwards.

Only answers that mean "later" are tried again soon (OTLP 1.11: 429, 502, 503, 504, and no answer
at all); any other refusal is left alone until tomorrow, because asking again would not help.
"""

import http.client
import json
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from analytics.models import SentHeartbeat

TIMEOUT = 10  # seconds, for each step of the exchange
MAX_ANSWER_BYTES = 64 * 1024
LATER = frozenset({429, 502, 503, 504})


class NotDelivered(Exception):
    """No answer, or one that means "later"."""


class Refused(NotDelivered):
    """An answer that will be the same if asked again."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as a GET, and the key at an address that nobody configured."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_open = urllib.request.build_opener(_NoRedirects).open


def is_taken(row: SentHeartbeat) -> bool:
    return row.status_code is not None and 200 <= row.status_code < 300


def is_refused_today(row: SentHeartbeat, now: datetime) -> bool:
    """Whether it was refused for good today: asking again can wait until tomorrow."""
    if row.sent_at is None or row.status_code is None or row.status_code in LATER or is_taken(row):
        return False
    return row.sent_at.astimezone(UTC).date() == now.astimezone(UTC).date()


def deliver(row: SentHeartbeat, path: str, now: datetime) -> str:
    """Send the row's body, note the answer in the row, and say it in a sentence.

    Raises `NotDelivered` when another attempt may help, and `Refused` when it will not.
    """
    row.status_code, row.answer = post(settings.HEARTBEAT_ENDPOINT + path, row.body)
    row.sent_at, row.attempts = now, row.attempts + 1
    row.save()
    said = f"{row.status_code or 'no answer'} {row.answer}".strip()
    if row.status_code is None or row.status_code in LATER:
        raise NotDelivered(f"{row.name} of {row.day} was not delivered: {said}")
    if not is_taken(row):
        raise Refused(f"{row.name} of {row.day} was refused: {said}")
    return f"Sent {row.name} of {row.day}: {said}."


def post(address: str, body: dict[str, Any]) -> tuple[int | None, str]:
    """The answer's status and the beginning of its text; None and the reason when there was none."""
    if urlsplit(address).scheme not in ("http", "https"):
        return 400, "HEARTBEAT_ENDPOINT must begin with http:// or https://"
    headers = {"Content-Type": "application/json", "User-Agent": f"Candid/{settings.VERSION}"}
    if settings.HEARTBEAT_KEY:
        headers["Authorization"] = f"Bearer {settings.HEARTBEAT_KEY}"
    request = urllib.request.Request(address, json.dumps(body).encode(), headers, method="POST")  # noqa: S310
    try:
        with _open(request, timeout=TIMEOUT) as answer:
            return answer.status, _beginning(answer.read(MAX_ANSWER_BYTES))
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, _beginning(refusal.read(MAX_ANSWER_BYTES)) or refusal.reason
    except (OSError, http.client.HTTPException, ValueError) as error:
        return None, _beginning(str(getattr(error, "reason", error)).encode()) or type(error).__name__


def _beginning(text: bytes) -> str:
    return " ".join(text.decode("utf-8", "replace").replace("\x00", "").split())[:200]
