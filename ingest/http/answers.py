"""Answers of ingest over HTTP: success, refusal, no such address; with their headers, compressed if long.

An error is a google.rpc.Status in the request's own encoding, as OTLP wants it, or what Sentry's clients
expect. There are no redirects, sessions or cookies. Of the security headers only `nosniff` is sent: no answer
is a page.
"""

import gzip

from ingest.errors import CODES, Failure, failure_of
from ingest.http import cors
from ingest.http.messages import ExportAnswer, ExportRequest
from ingest.otlp import status
from ingest.reasons import LIMITS
from ingest.sentry import addresses
from ingest.sentry import answers as sentry_answers
from ingest.traffic import counting, prometheus

COMPRESS_FROM = 256  # bytes; most answers are `{}`, which compression only makes longer
NOT_FOUND = "no such address; use /v1/traces, /v1/logs or /v1/metrics, without a slash at the end"


def accepted(request: ExportRequest, encoding: str, content: bytes) -> ExportAnswer:
    """200 with this body."""
    return _answer(request, 200, encoding, content)


def refusal(request: ExportRequest, error: Exception) -> ExportAnswer:
    """The answer to a request that raised this error. It is counted."""
    failure = failure_of(error)
    key_id = request.key.pk if request.key else None
    counting.reject(key_id, request.signal, failure.reason, transport="http", status=failure.code)
    if failure.reason in LIMITS:
        prometheus.RATE_LIMITED.labels("http", failure.reason).inc()
    if request.signal == addresses.SIGNAL:
        return _sentry_refusal(request, failure)
    encoding = request.encoding or status.JSON
    content = status.failure(encoding, CODES[failure.code], failure.message)
    return _answer(request, failure.code, encoding, content, failure.headers)


def _sentry_refusal(request: ExportRequest, failure: Failure) -> ExportAnswer:
    headers = failure.headers
    if failure.code == 429:
        headers = sentry_answers.limited(headers, failure.reason)
    return _answer(request, failure.code, status.JSON, sentry_answers.failure(failure.message), headers)


def not_found(encoding: str) -> ExportAnswer:
    """404 in OTLP's form, never a redirect to an address with or without a slash."""
    encoding = encoding or status.JSON
    return ExportAnswer(404, _headers(encoding), status.failure(encoding, CODES[404], NOT_FOUND))


def _answer(
    request: ExportRequest, code: int, encoding: str, content: bytes, more: dict[str, str] | None = None
) -> ExportAnswer:
    headers = _headers(encoding)
    if more:
        headers.extend(more.items())
    if request.origin:
        headers.extend(cors.answer_headers(request.origin))
    if len(content) >= COMPRESS_FROM:
        headers.append(("Vary", "Accept-Encoding"))
        if accepts_gzip(request.accepted_coding):
            headers.append(("Content-Encoding", "gzip"))
            content = gzip.compress(content, 1)
    return ExportAnswer(code, headers, content)


def _headers(encoding: str) -> list[tuple[str, str]]:
    return [("Content-Type", encoding), ("X-Content-Type-Options", "nosniff")]


def accepts_gzip(accepted_coding: str) -> bool:
    """Whether Accept-Encoding gives gzip, or else everything, a weight above zero (RFC 9110, 12.5.3)."""
    weights: dict[str, float] = {}
    for part in accepted_coding.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        weight = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        try:
            weights[name] = float(weight)
        except ValueError:
            weights[name] = 0
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0))) > 0
