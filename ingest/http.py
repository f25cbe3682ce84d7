"""OTLP over HTTP: `/v1/traces`, `/v1/logs`, `/v1/metrics`, also under `/otlp/`.

A plain Django view. What goes wrong is said as OTLP wants it: a google.rpc.Status in the request's
own encoding, content type bare. No redirect, no session, no cookie, and no word of a payload in a log.
"""

import logging
import traceback

from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from analytics.store import StoreUnavailable
from consent.keys import KeyRefused, authenticate
from ingest import traffic
from ingest.body import BodyRefused, read_body
from ingest.otlp import status
from ingest.otlp.records import DecodeError
from ingest.receive import receive

logger = logging.getLogger(__name__)

RETRY_AFTER = "2"  # seconds; SDKs give up where it exceeds their whole budget of 10 s
KEY_HEADERS = ("authorization", "x-api-key")
CODES = {
    400: status.INVALID_ARGUMENT,
    401: status.UNAUTHENTICATED,
    403: status.PERMISSION_DENIED,
    405: status.UNIMPLEMENTED,
    408: status.INVALID_ARGUMENT,
    413: status.RESOURCE_EXHAUSTED,
    415: status.INVALID_ARGUMENT,
    500: status.INTERNAL,
    503: status.UNAVAILABLE,
}
REASONS = {
    400: "malformed",
    401: "no_key",
    403: "wrong_scope",
    405: "wrong_method",
    408: "too_slow",
    413: "too_large",
    415: "wrong_type",
    500: "our_mistake",
    503: "unavailable",
}


class Failure(Exception):
    """The request is answered with an error."""

    def __init__(self, code: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.headers = headers or {}


@csrf_exempt
def export(request: HttpRequest, signal: str) -> HttpResponse:
    """Method, key, type, size, then `receive`. 200 means committed."""
    encoding = _encoding(request)
    key_id: int | None = None
    try:
        if request.method != "POST":
            raise Failure(405, "use POST", {"Allow": "POST, OPTIONS"})
        headers = {name: request.headers.get(name, "") for name in KEY_HEADERS}
        key = authenticate(headers, "ingest")
        key_id = key.pk
        traffic.note_use(key.pk)
        if not encoding:
            raise Failure(415, f"send {status.JSON} or {status.PROTOBUF}")
        answer = receive(
            signal=signal,
            encoding=encoding,
            body=read_body(request),
            key=key,
            do_not_track=_do_not_track(request),
        )
        body = status.response(signal, encoding, answer.rejected, answer.message)
        return HttpResponse(body, content_type=encoding)
    except Exception as error:  # the outermost edge: whatever happens is an OTLP answer
        failure = _failure(error)
    traffic.count(key_id, signal, "rejected", REASONS[failure.code], 1)
    return _failed(failure, encoding or status.JSON)


def _failure(error: Exception) -> Failure:
    if isinstance(error, Failure):
        return error
    if isinstance(error, KeyRefused):
        return Failure(
            error.status, error.message, {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
        )
    if isinstance(error, BodyRefused):
        return Failure(error.status, error.message)
    if isinstance(error, DecodeError):
        return Failure(400, str(error))
    if isinstance(error, StoreUnavailable | DatabaseError):
        logger.warning("ingest is unavailable: %s", type(error).__name__)
        return Failure(503, "storage is unavailable; send the same again", {"Retry-After": RETRY_AFTER})
    # An exception's message may quote what was sent. Its type and the lines of code do not.
    logger.error(
        "ingest failed: %s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
    )
    return Failure(500, "an error of this server; it has been logged")


def _failed(failure: Failure, encoding: str) -> HttpResponse:
    body = status.failure(encoding, CODES[failure.code], failure.message)
    response = HttpResponse(body, status=failure.code, content_type=encoding, headers=failure.headers)
    response._has_been_logged = True  # type: ignore[attr-defined]  # else Django logs a line for each; we count
    return response


def _encoding(request: HttpRequest) -> str:
    """The media type, when it is one of the two: case and parameters do not count."""
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return media_type if media_type in (status.JSON, status.PROTOBUF) else ""


def _do_not_track(request: HttpRequest) -> bool:
    return request.headers.get("DNT", "").strip() == "1" or request.headers.get("Sec-GPC", "").strip() == "1"
