"""Ingest over HTTP as granian serves it (RSGI): bodies are read on the event loop, stored on threads.

A slow sender holds a few hundred bytes here; under WSGI it would hold a thread. A refusal is
sent before the body has arrived; the rest of the body is then read and discarded, so that a
keep-alive client neither waits nor meets a broken pipe.
"""

from django.conf import settings

from ingest.errors import Failure
from ingest.http import answers, cors, rules
from ingest.http.incoming import IncomingBody
from ingest.http.messages import (
    ExportAnswer,
    ExportRequest,
    media_type_of,
    read_head,
    read_sentry_head,
)
from ingest.http.rsgi import HTTPProtocol, Scope
from ingest.load.body import LARGE, BodyRefused
from ingest.load.memory_budget import Budget, Share
from ingest.load.recent_keys import RecentKeys
from ingest.load.threads import Pool
from ingest.sentry.addresses import encoding_at

SIGNALS = {
    f"{prefix}/v1/{signal}": signal for prefix in ("", "/otlp") for signal in ("traces", "logs", "metrics")
}
PREFIXES = ("/v1/", "/otlp/v1/")  # every address below them is answered here


def answers_at(path: str) -> bool:
    """Whether `Edge` answers at this address: below `PREFIXES`, and where a DSN leads."""
    return path.startswith(PREFIXES) or encoding_at(path) != ""


class Edge:
    """Answers every request for which `answers_at` holds."""

    def __init__(self, pool: Pool, budget: Budget) -> None:
        self._pool, self._budget = pool, budget
        self._recent_keys = RecentKeys()

    async def __call__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        share = self._budget.share()
        incoming = IncomingBody(protocol, scope.headers, share)
        request = _head(scope)
        try:
            if request is None:
                answer = answers.not_found(media_type_of(scope.headers))
            else:
                status: str | int = "gone"  # unless an answer follows
                try:
                    answer = await self._answer(request, scope, incoming, share)
                    status = answer.status
                finally:
                    request.measure.ended(status)
        finally:
            share.give_back()
        if answer.status == 408:
            answer.headers.append(("Connection", "close"))
        protocol.response_bytes(*answer)
        await incoming.discard_rest()

    async def _answer(
        self, request: ExportRequest, scope: Scope, incoming: IncomingBody, share: Share
    ) -> ExportAnswer:
        """One trip to a thread for a key that was admitted a moment ago; two for any other."""
        try:
            if request.origin:  # only browsers send it
                if cors.is_stale(request.origin):
                    await self._pool.run(cors.refresh)
                if preflight := cors.preflight(request, scope.headers):
                    return preflight
            rules.check_method(request)
            if not self._is_expected(request):
                self._recent_keys.add(request.credentials, await self._pool.run(rules.admit, request))
            assert request.key is not None
            key_id = request.key.pk
            share.belongs_to(key_id)
            raw = await incoming.read(settings.OTLP_MAX_BODY_BYTES)
            result = await self._pool.run_for(key_id, _take_and_answer, request, raw, share)
            if isinstance(result, bytes):
                raw = b""
                result = await self._pool.run_for(key_id, rules.answer, request, result, is_large=True)
            return result
        except Exception as error:  # the outermost edge: whatever happens is an answer of the protocol
            return answers.refusal(request, error)

    def _is_expected(self, request: ExportRequest) -> bool:
        """Whether it will most likely be admitted; if so, its body is read before its key is looked up."""
        request.key = self._recent_keys.get(request.credentials)
        if request.key is None:
            return False
        try:
            rules.check_head(request)
        except (Failure, BodyRefused):
            return False
        return True


def _head(scope: Scope) -> ExportRequest | None:
    """The head of a request to one of our addresses; None for another one below `PREFIXES`."""
    if signal := SIGNALS.get(scope.path):
        return read_head(scope.method, signal, scope.headers)
    if encoding := encoding_at(scope.path):
        return read_sentry_head(scope.method, encoding, scope.headers, scope.query_string)
    return None


def _take_and_answer(request: ExportRequest, raw: bytes, share: Share) -> ExportAnswer | bytes:
    """The answer; or the inflated body, if it is so large that it must wait for other large ones."""
    content = rules.take(request, raw, share.take)
    return content if len(content) > LARGE else rules.answer(request, content)
