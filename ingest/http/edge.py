"""OTLP over HTTP as granian serves it (RSGI): bodies are read on the event loop, stored on threads.

A slow sender holds a few hundred bytes here, not a thread: under WSGI its body would. An event loop
has one more gain: a refusal is answered before the body has come, and the rest of the body is read
away afterwards, so that a keep-alive client neither waits nor meets a broken pipe.
"""

import asyncio
from typing import Any

from django.conf import settings

from consent.api.do_not_track import Headers
from ingest.errors import Failure
from ingest.http import cors
from ingest.http.messages import Answer, Export, media_type_of, read_head
from ingest.http.rsgi import HTTPProtocol, ProtocolClosed, Scope
from ingest.http.rules import admit, check_head, check_method, not_found, refuse, take, unpack
from ingest.load import body
from ingest.load.body import LARGE, BodyRefused
from ingest.load.memory_budget import Budget, Share
from ingest.load.recent_keys import KnownKeys
from ingest.load.threads import Pool

SMALL = 1024 * 1024  # bytes; a body declared no longer is read in one go, while there is much room
LINGER = 5.0  # seconds for which the body of a refused request is read away

SIGNALS = {
    f"{prefix}/v1/{signal}": signal for prefix in ("", "/otlp") for signal in ("traces", "logs", "metrics")
}
PREFIXES = ("/v1/", "/otlp/v1/")  # all below them is ours


class Front:
    """Answers every request below `PREFIXES`."""

    def __init__(self, pool: Pool, budget: Budget) -> None:
        self._pool, self._budget = pool, budget
        self._known = KnownKeys()
        self._large = asyncio.Lock()

    async def __call__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        share = self._budget.share()
        incoming = Incoming(protocol, scope.headers, share)
        signal = SIGNALS.get(scope.path)
        try:
            if signal is None:
                answer = not_found(media_type_of(scope.headers))
            else:
                export = read_head(scope.method, signal, scope.headers)
                status: str | int = "gone"  # unless an answer follows
                try:
                    answer = await self._answer(export, scope, incoming, share)
                    status = answer.status
                finally:
                    export.measure.ended(status)
        finally:
            share.give_back()
        if answer.status == 408:
            answer.headers.append(("Connection", "close"))
        protocol.response_bytes(*answer)
        await incoming.read_away()

    async def _answer(self, export: Export, scope: Scope, incoming: "Incoming", share: Share) -> Answer:
        try:
            if export.origin and cors.is_stale(export.origin):
                await self._pool.run(cors.refresh)
            if preflight := cors.preflight(export, scope.headers):
                return preflight
            check_method(export)
            if self._is_promising(export):
                raw = await incoming.read(settings.OTLP_MAX_BODY_BYTES)
                result = await self._pool.run(_admit_and_take, export, raw, share)
            else:
                self._known.add(export.shown, await self._pool.run(admit, export))
                raw = await incoming.read(settings.OTLP_MAX_BODY_BYTES)
                result = await self._pool.run(_take, export, raw, share)
            if isinstance(result, bytes):
                raw = b""
                async with self._large:
                    result = await self._pool.run(take, export, result)
            return result
        except Exception as error:  # the outermost edge: whatever happens is an OTLP answer
            return refuse(export, error)

    def _is_promising(self, export: Export) -> bool:
        """Whether it will be admitted, as far as can be told here: then one trip to a thread will do."""
        export.key = self._known.get(export.shown)
        if export.key is None:
            return False
        try:
            check_head(export)
        except (Failure, BodyRefused):
            return False
        return True


def _admit_and_take(export: Export, raw: bytes, share: Share) -> Answer | bytes:
    admit(export)
    return _take(export, raw, share)


def _take(export: Export, raw: bytes, share: Share) -> Answer | bytes:
    """The answer; or the body inflated, when it is so large that it must wait for others of its kind."""
    content = unpack(export, raw, share.take)
    return content if len(content) > LARGE else take(export, content)


class Incoming:
    """A request's body on its way: read whole within bounds, or read away."""

    def __init__(self, protocol: HTTPProtocol, headers: Headers, share: Share) -> None:
        self._protocol, self._headers, self._share = protocol, headers, share
        self._length = headers.get("content-length", "").strip()
        # Without either header there is no body (RFC 9112, 6.3).
        self._is_over = not (self._length or headers.get("transfer-encoding", ""))
        self._pieces: Any = None

    async def read(self, limit: int) -> bytes:
        """All of it. Raises `Busy`, or `BodyRefused`: 400, 408 or 413."""
        if self._is_over:
            return b""
        declared = body.declared_length(self._length)
        try:
            async with asyncio.timeout(body.DEADLINE):
                if declared is not None and declared <= SMALL and self._share.take_of_plenty(declared):
                    self._is_over = True
                    return await self._protocol()
                return await self._read_pieces(declared, limit)
        except TimeoutError:
            self._is_over = True  # dropping it closes the connection
            raise body.too_slow() from None
        except ProtocolClosed:
            raise BodyRefused(400, "the body ended early") from None

    async def _read_pieces(self, declared: int | None, limit: int) -> bytes:
        pieces: list[bytes] = []
        total, ends = 0, 0
        async for piece in self._begin():
            pieces.append(piece)
            total += len(piece)
            ends += not piece
            if total > limit:
                raise body.too_large(limit)
            self._share.take(len(piece))
        self._is_over = True
        if declared is not None and total < declared:
            raise body.cut_short(total, declared)
        # granian gives one empty piece at the end, and another in place of an error or of trailers.
        if ends > 1 and not self._headers.get("trailer", ""):
            raise BodyRefused(400, "the body ended early")
        return b"".join(pieces)

    async def read_away(self) -> None:
        """After a refusal: take what still comes, a while, so that the connection stays usable."""
        if self._is_over or self._headers.get("expect", ""):  # who expects 100 has sent nothing
            return
        total = 0
        try:
            async with asyncio.timeout(LINGER):
                async for piece in self._begin():
                    total += len(piece)
                    if total > settings.OTLP_MAX_BODY_BYTES:
                        return
        except (TimeoutError, ProtocolClosed):
            return

    def _begin(self) -> Any:
        """The pieces from here on: granian hands its iterator out once."""
        if self._pieces is None:
            self._pieces = _Pieces(self._protocol)
        return self._pieces


class _Pieces:
    def __init__(self, protocol: HTTPProtocol) -> None:
        self._iterator = aiter(protocol)

    def __aiter__(self) -> "_Pieces":
        return self

    def __anext__(self) -> Any:
        return self._iterator.__anext__()
