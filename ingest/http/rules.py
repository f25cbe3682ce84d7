"""Ingest over HTTP, step by step, for OTLP's addresses and those of a DSN: admit, take, answer.

Two thin edges share these rules: `edge.py`, which granian serves, and the Django view in `views.py`.
Neither logs anything of a payload. The host name is not checked: no answer depends on it, and senders
may reach us under many names. What admits a request is its key.
"""

from collections.abc import Callable

from consent.keys import KeyRefused, authenticate
from consent.models import Key
from ingest import dry_run
from ingest.errors import Failure
from ingest.http import answers
from ingest.http.messages import ExportAnswer, ExportRequest
from ingest.load import body, rate_limits
from ingest.otlp import status
from ingest.receive import receive
from ingest.sentry import addresses
from ingest.sentry import answers as sentry_answers
from ingest.traffic import counting


def admit(request: ExportRequest) -> Key:
    """Check method, key, rate, type, coding, length. Sets and returns the key, or raises the refusal."""
    check_method(request)
    key = request.key = _authenticated(request)
    counting.note_use(key.pk)
    rate_limits.spend(key)
    check_head(request)
    request.is_admitted = True
    return key


def take(request: ExportRequest, raw: bytes, hold: Callable[[int], None] | None = None) -> bytes:
    """The body of an admitted request, inflated. Raises the refusal.

    A request whose key was in `recent_keys` is only admitted now. Any other was admitted before its body
    came, so its key is looked up again: it may have been revoked, or have expired, meanwhile. `hold` is
    called with each number of bytes that inflating adds.
    """
    if request.is_admitted:
        request.key = _authenticated(request)
    else:
        admit(request)
    content = body.inflated(raw, request.coding, hold=hold)
    if request.key is not None:
        rate_limits.spend_bytes(request.key, len(content))
    request.measure.took(len(raw), len(content))
    return content


def answer(request: ExportRequest, content: bytes) -> ExportAnswer:
    """Store the content of an admitted request, or describe it for a dry run. Raises the refusal."""
    assert request.key is not None
    is_dry = bool(request.dry_run) and dry_run.is_asked_for(request.dry_run, request.key)
    process = dry_run.dry_run if is_dry else receive
    result = process(
        signal=request.signal,
        encoding=request.encoding,
        body=content,
        key=request.key,
        do_not_track=request.do_not_track,
    )
    if isinstance(result, bytes):
        return answers.accepted(request, status.JSON, result)
    if request.signal == addresses.SIGNAL:
        return answers.accepted(request, status.JSON, sentry_answers.accepted(result.event_id))
    response = status.response(request.signal, request.encoding, result.rejected, result.message)
    return answers.accepted(request, request.encoding, response)


def _authenticated(request: ExportRequest) -> Key:
    """The key of a request. Proxies log addresses, so none but a publishable key may stand in one."""
    key = authenticate(request.credentials, "ingest")
    if request.key_is_in_address and not key.is_publishable:
        message = "a secret key may not stand in an address: use a publishable key, or X-Sentry-Auth"
        raise KeyRefused(403, message, reason="key_in_address")
    return key


def check_method(request: ExportRequest) -> None:
    """Raises `Failure` unless it is a POST."""
    if request.method != "POST":
        raise Failure(405, "use POST", {"Allow": "POST, OPTIONS"})


def check_head(request: ExportRequest) -> None:
    """The rules that need neither key nor body. Raises `Failure` or `BodyRefused`."""
    if not request.encoding:
        raise Failure(415, f"send {status.JSON} or {status.PROTOBUF}")
    body.check(request.coding, request.length)
