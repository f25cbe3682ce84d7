"""Ingest over HTTP as Django views, for servers without RSGI and for tests. A thread reads its own body."""

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt

from ingest.http import answers, cors, rules
from ingest.http.messages import ExportAnswer, ExportRequest, media_type_of, read_head, read_sentry_head
from ingest.load import body
from ingest.sentry.addresses import encoding_of


@csrf_exempt
def export(request: HttpRequest, signal: str) -> HttpResponse:
    """One Export request."""
    return _answered(request, read_head(request.method or "", signal, request.headers))


@csrf_exempt
def from_dsn(request: HttpRequest, project: str, end: str) -> HttpResponse:
    """One request of a Sentry-shaped client. Any number will do as the project."""
    query = request.META.get("QUERY_STRING", "")
    head = read_sentry_head(request.method or "", encoding_of(end), request.headers, query)
    return _answered(request, head)


def _answered(request: HttpRequest, sent: ExportRequest) -> HttpResponse:
    answer = None
    if sent.origin:  # only browsers send it
        if cors.is_stale(sent.origin):
            cors.refresh()
        answer = cors.preflight(sent, request.headers)
    if answer is None:
        try:
            rules.admit(sent)
            answer = rules.answer(sent, rules.take(sent, body.read_raw(request)))
        except Exception as error:  # the outermost edge: whatever happens is an answer of the protocol
            answer = answers.refusal(sent, error)
    sent.measure.ended(answer.status)
    return _response(answer)


@csrf_exempt
def no_such_address(request: HttpRequest) -> HttpResponse:
    """Every other path below OTLP's prefixes."""
    return _response(answers.not_found(media_type_of(request.headers)))


def _response(answer: ExportAnswer) -> HttpResponse:
    response = HttpResponse(answer.body, status=answer.status)
    response._has_been_logged = True  # type: ignore[attr-defined]  # errors are counted; Django need not log
    for name, value in answer.headers:
        if name == "Vary":
            patch_vary_headers(response, [value])
        else:
            response[name] = value
    return response
