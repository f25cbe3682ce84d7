"""OTLP over HTTP: what a request must be, and what it is answered. `/v1/traces`, `/v1/logs`, `/v1/metrics`.

The rules, once, for two thin edges: `front.py`, by which granian serves them, and the Django view
below. What goes wrong is said as OTLP wants it: a google.rpc.Status in the request's own encoding,
content type bare. No redirect, no session, no cookie, and no word of a payload in a log.

Django's middleware has no part in it. Host is not checked: nothing in an answer depends on it, and
senders know a receiver by many names; the key is what admits. Of the security headers only
`nosniff` is given: no answer is a page.
"""

import gzip
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt

from consent.keys import authenticate
from consent.models import Key
from ingest import dry_run
from ingest.errors import CODES, LIMITS, Failure, failure_of
from ingest.http import cors
from ingest.http.messages import Answer, Export, media_type_of, read_head
from ingest.load import body, rate_limits
from ingest.otlp import status
from ingest.receive import receive
from ingest.traffic import counting, prometheus

COMPRESS_FROM = 256  # bytes; most answers are `{}`, which compression only makes longer


def admit(export: Export) -> Key:
    """Method, key, type, coding, declared length. Sets the key; raises what the request is refused for."""
    check_method(export)
    key = export.key = authenticate(export.shown, "ingest")
    counting.note_use(key.pk)
    rate_limits.spend(key)
    check_head(export)
    return key


def check_method(export: Export) -> None:
    if export.method != "POST":
        raise Failure(405, "use POST", {"Allow": "POST, OPTIONS"})


def check_head(export: Export) -> None:
    """The rules that need neither key nor body. Raises `Failure` or `BodyRefused`."""
    if not export.encoding:
        raise Failure(415, f"send {status.JSON} or {status.PROTOBUF}")
    body.check(export.coding, export.length)


def unpack(export: Export, raw: bytes, hold: Callable[[int], None] | None = None) -> bytes:
    """The body inflated; `hold` is told of each number of bytes that this adds. Raises `BodyRefused`."""
    content = body.inflated(raw, export.coding, hold=hold)
    export.measure.took(len(raw), len(content))
    return content


def take(export: Export, content: bytes) -> Answer:
    """Store what was admitted, and answer. Raises what the request is refused for."""
    assert export.key is not None
    if dry_run.is_asked_for(export.dry_run, export.key):
        return _answer(export, 200, status.JSON, _foretold(export, export.key, content))
    received = receive(
        signal=export.signal,
        encoding=export.encoding,
        body=content,
        key=export.key,
        do_not_track=export.do_not_track,
    )
    said = status.response(export.signal, export.encoding, received.rejected, received.message)
    return _answer(export, 200, export.encoding, said)


def _foretold(export: Export, key: Key, content: bytes) -> bytes:
    return dry_run.dry_run(
        signal=export.signal,
        encoding=export.encoding,
        body=content,
        key=key,
        do_not_track=export.do_not_track,
    )


def refuse(export: Export, error: Exception) -> Answer:
    """The answer to what was raised. It is counted."""
    failure = failure_of(error)
    key_id = export.key.pk if export.key else None
    counting.reject(key_id, export.signal, failure.reason, transport="http", status=failure.code)
    if failure.reason in LIMITS:
        prometheus.RATE_LIMITED.labels("http", failure.reason).inc()
    encoding = export.encoding or status.JSON
    content = status.failure(encoding, CODES[failure.code], failure.message)
    return _answer(export, failure.code, encoding, content, failure.headers)


def not_found(encoding: str) -> Answer:
    """404 in the words of OTLP, and never a redirect to an address with or without a slash."""
    message = "no such address; there are /v1/traces, /v1/logs and /v1/metrics, without a slash"
    encoding = encoding or status.JSON
    return Answer(404, _headers(encoding), status.failure(encoding, CODES[404], message))


def _answer(
    export: Export, code: int, encoding: str, content: bytes, more: dict[str, str] | None = None
) -> Answer:
    headers = _headers(encoding)
    if more:
        headers.extend(more.items())
    if export.origin:
        headers.extend(cors.answer_headers(export.origin))
    if len(content) >= COMPRESS_FROM:
        headers.append(("Vary", "Accept-Encoding"))
        if accepts_gzip(export.accepted_coding):
            headers.append(("Content-Encoding", "gzip"))
            content = gzip.compress(content, 1)
    return Answer(code, headers, content)


def _headers(encoding: str) -> list[tuple[str, str]]:
    return [("Content-Type", encoding), ("X-Content-Type-Options", "nosniff")]


def accepts_gzip(accepted: str) -> bool:
    """Whether Accept-Encoding gives gzip, or else everything, a weight above zero (RFC 9110, 12.5.3)."""
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        weight = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        try:
            weights[name] = float(weight)
        except ValueError:
            weights[name] = 0
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0))) > 0


@csrf_exempt
def export(request: HttpRequest, signal: str) -> HttpResponse:
    """The Django view, for servers without RSGI and for tests: it reads the body on its own thread."""
    sent = read_head(request.method or "", signal, request.headers)
    if sent.origin and cors.is_stale(sent.origin):
        cors.refresh()
    answer = cors.preflight(sent, request.headers)
    if answer is None:
        try:
            admit(sent)
            answer = take(sent, unpack(sent, body.read_raw(request)))
        except Exception as error:  # the outermost edge: whatever happens is an OTLP answer
            answer = refuse(sent, error)
    sent.measure.ended(answer.status)
    return _sent(answer)


@csrf_exempt
def no_such_address(request: HttpRequest) -> HttpResponse:
    """The Django view of every other path below OTLP's prefixes."""
    return _sent(not_found(media_type_of(request.headers)))


def _sent(answer: Answer) -> HttpResponse:
    response = HttpResponse(answer.body, status=answer.status)
    response._has_been_logged = True  # type: ignore[attr-defined]  # else Django logs a line for each; we count
    for name, value in answer.headers:
        if name == "Vary":
            patch_vary_headers(response, [value])
        else:
            response[name] = value
    return response
