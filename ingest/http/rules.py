"""OTLP over HTTP, step by step, for `/v1/traces`, `/v1/logs`, `/v1/metrics`: admit, take, answer.

Two thin edges share these rules: `edge.py`, which granian serves, and the Django view in `views.py`.
Neither logs anything of a payload. The host name is not checked: no answer depends on it, and senders
may reach us under many names. What admits a request is its key.
"""

from collections.abc import Callable

from consent.keys import authenticate
from consent.models import Key
from ingest import dry_run
from ingest.errors import Failure
from ingest.http import answers
from ingest.http.messages import ExportAnswer, ExportRequest
from ingest.load import body, rate_limits
from ingest.otlp import status
from ingest.receive import receive
from ingest.traffic import counting


def admit(request: ExportRequest) -> Key:
    """Check method, key, rate, type, coding, length. Sets and returns the key, or raises the refusal."""
    check_method(request)
    key = request.key = authenticate(request.credentials, "ingest")
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
        request.key = authenticate(request.credentials, "ingest")
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
    response = status.response(request.signal, request.encoding, result.rejected, result.message)
    return answers.accepted(request, request.encoding, response)


def check_method(request: ExportRequest) -> None:
    """Raises `Failure` unless it is a POST."""
    if request.method != "POST":
        raise Failure(405, "use POST", {"Allow": "POST, OPTIONS"})


def check_head(request: ExportRequest) -> None:
    """The rules that need neither key nor body. Raises `Failure` or `BodyRefused`."""
    if not request.encoding:
        raise Failure(415, f"send {status.JSON} or {status.PROTOBUF}")
    body.check(request.coding, request.length)
