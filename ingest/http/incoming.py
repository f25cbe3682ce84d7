"""A request's body on its way in (RSGI): read whole within bounds, or discarded after a refusal."""

import asyncio
from typing import Any

from django.conf import settings

from consent.api.do_not_track import Headers
from ingest.http.rsgi import HTTPProtocol, ProtocolClosed
from ingest.load import body
from ingest.load.body import BodyRefused
from ingest.load.memory_budget import Share

SMALL = 1024 * 1024  # bytes; a body declared no longer is read in one go while half the memory is free
LINGER = 5.0  # seconds for which the body of a refused request is read and discarded


class IncomingBody:
    """Call `read` once, then `discard_rest`, which does nothing if the body is complete."""

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
        # granian gives one empty piece at the end, and another one instead of an error or of trailers.
        if ends > 1 and not self._headers.get("trailer", ""):
            raise BodyRefused(400, "the body ended early")
        return b"".join(pieces)

    async def discard_rest(self) -> None:
        """After a refusal: read for a while what still arrives, so that the connection stays usable."""
        if self._is_over or self._headers.get("expect", ""):  # a sender that waits for 100 has sent nothing
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
        """The pieces from here on. Remembered: granian gives out its iterator only once."""
        if self._pieces is None:
            self._pieces = _Pieces(self._protocol)
        return self._pieces


class _Pieces:
    """What granian iterates over, as an asynchronous iterator."""

    def __init__(self, protocol: HTTPProtocol) -> None:
        self._iterator = aiter(protocol)

    def __aiter__(self) -> "_Pieces":
        return self

    def __anext__(self) -> Any:
        return self._iterator.__anext__()
