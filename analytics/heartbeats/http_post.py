"""One JSON POST to an address: the answer's status and the start of its text.

Uses the standard library only. Redirects are not followed, and a long answer is not read to its end.
"""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

TIMEOUT = 10  # seconds, for each step of the exchange
MAX_ANSWER_BYTES = 64 * 1024
MAX_ANSWER = 200  # characters kept


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET, and the key would reach an address that nobody configured."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_open = urllib.request.build_opener(_NoRedirects).open


def post(address: str, body: dict[str, Any]) -> tuple[int | None, str]:
    """The answer's status and the start of its text; None and the reason when there was no answer."""
    if urlsplit(address).scheme not in ("http", "https"):
        return 400, "HEARTBEAT_ENDPOINT must begin with http:// or https://"
    headers = {"Content-Type": "application/json", "User-Agent": f"Candid/{settings.VERSION}"}
    if settings.HEARTBEAT_KEY:
        headers["Authorization"] = f"Bearer {settings.HEARTBEAT_KEY}"
    request = urllib.request.Request(address, json.dumps(body).encode(), headers, method="POST")  # noqa: S310
    try:
        with _open(request, timeout=TIMEOUT) as answer:
            return answer.status, _start_of(answer.read(MAX_ANSWER_BYTES))
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, _start_of(refusal.read(MAX_ANSWER_BYTES)) or refusal.reason
    except (OSError, http.client.HTTPException, ValueError) as error:
        return None, _start_of(str(getattr(error, "reason", error)).encode()) or type(error).__name__


def _start_of(text: bytes) -> str:
    return " ".join(text.decode("utf-8", "replace").replace("\x00", "").split())[:MAX_ANSWER]
