"""OTLP over HTTP: `/v1/traces`, `/v1/logs`, `/v1/metrics`, also under `/otlp/`.

A plain Django view. What goes wrong is said as OTLP wants it: a google.rpc.Status in the request's
own encoding, content type bare. No redirect, no session, no cookie, and no word of a payload in a log.
"""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from consent.keys import authenticate
from ingest import measures, traffic
from ingest.body import read_body
from ingest.failures import CODES, REASONS, Failure, failure_of
from ingest.otlp import status
from ingest.receive import receive

KEY_HEADERS = ("authorization", "x-api-key")


@csrf_exempt
def export(request: HttpRequest, signal: str) -> HttpResponse:
    """Method, key, type, size, then `receive`. 200 means committed."""
    under_way = measures.Request("http", signal)
    status_code = 500
    try:
        response = _export(request, signal, under_way)
        status_code = response.status_code
        return response
    finally:
        under_way.ended(status_code)


def _export(request: HttpRequest, signal: str, under_way: measures.Request) -> HttpResponse:
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
            body=_body(request, under_way),
            key=key,
            do_not_track=_do_not_track(request),
        )
        body = status.response(signal, encoding, answer.rejected, answer.message)
        return HttpResponse(body, content_type=encoding)
    except Exception as error:  # the outermost edge: whatever happens is an OTLP answer
        failure = failure_of(error)
    traffic.reject(key_id, signal, REASONS[failure.code], transport="http", status=failure.code)
    return _failed(failure, encoding or status.JSON)


@csrf_exempt
def no_such_address(request: HttpRequest) -> HttpResponse:
    """404 in the words of OTLP, and never a redirect to an address with or without a slash."""
    failure = Failure(404, "no such address; there are /v1/traces, /v1/logs and /v1/metrics, without a slash")
    return _failed(failure, _encoding(request) or status.JSON)


def _body(request: HttpRequest, under_way: measures.Request) -> bytes:
    body = read_body(request)
    declared = request.headers.get("Content-Length", "")
    under_way.took(int(declared) if declared else len(body), len(body))
    return body


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
