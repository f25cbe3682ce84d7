"""The three Export methods of OTLP over gRPC. OK means committed, as 200 does over HTTP.

They take raw bytes and decode them as HTTP does, because grpcio would answer INTERNAL to garbage.
They are registered as client-streaming methods: on the wire that is the same, but the handler is called
as soon as the headers are there. So the key is checked before a message is received, and a stalled
sender holds no thread.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import grpc
from django.conf import settings

from consent.keys import authenticate
from consent.models import Key
from ingest import dry_run
from ingest.errors import Failure, failure_of
from ingest.grpc.admission import Admission
from ingest.grpc.call import Context, ExportCall
from ingest.grpc.compression import inflated, may_be_compressed
from ingest.load import rate_limits
from ingest.load.connections import freshen
from ingest.load.recent_keys import RecentKeys
from ingest.otlp import status
from ingest.receive import receive
from ingest.traffic import counting

SERVICES = {
    "traces": "opentelemetry.proto.collector.trace.v1.TraceService",
    "logs": "opentelemetry.proto.collector.logs.v1.LogsService",
    "metrics": "opentelemetry.proto.collector.metrics.v1.MetricsService",
}
T = TypeVar("T")


class ExportService:
    """The handlers, and the few threads on which they talk to the databases."""

    def __init__(self, *, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, "export")
        self._threads = asyncio.Semaphore(threads)
        self._admission = Admission(max_message=settings.OTLP_MAX_BODY_BYTES)
        self._recent_keys = RecentKeys()
        self._storing: set[asyncio.Task[bytes]] = set()

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        return [
            grpc.method_handlers_generic_handler(
                service, {"Export": grpc.stream_unary_rpc_method_handler(self._handler(signal))}
            )
            for signal, service in SERVICES.items()
        ]

    async def finish(self) -> None:
        """Wait for what is being stored, even if nobody waits for the answer any more."""
        if self._storing:
            await asyncio.wait(self._storing)
        self._pool.shutdown()

    def _handler(self, signal: str) -> Callable[[object, Context], Awaitable[bytes]]:
        async def export(_messages: object, context: Context) -> bytes:
            call = ExportCall(signal, context)
            try:
                with self._admission.call():
                    answer = await self._export(call)
                call.status = "OK"
                return answer
            except Exception as error:  # the outermost edge: never UNKNOWN, which clients do not retry
                return await call.refuse(failure_of(error))
            finally:
                call.measure.ended(call.status)

        return export

    async def _export(self, call: ExportCall) -> bytes:
        dry_run.refuse(call.dry_run)
        key = await self._let_in(call.credentials)
        call.key_id = key.pk
        rate_limits.spend(key)
        # A task of its own: when a client goes away, its thread and its memory stay taken until this ends.
        task = asyncio.create_task(self._store(call, await self._message(call)))
        self._storing.add(task)
        task.add_done_callback(self._stored)
        return await asyncio.shield(task)

    async def _let_in(self, credentials: Mapping[str, str]) -> Key:
        """The key. Raises `KeyRefused` before any message is received.

        A key that was admitted a moment ago is not looked up here, but again before anything is stored: a
        revoked key stores nothing.
        """
        key = self._recent_keys.get(credentials)
        if key is None:
            key = await self._in_thread(_authenticated, credentials)
            self._recent_keys.add(credentials, key)
        return key

    async def _message(self, call: ExportCall) -> bytes:
        async with self._admission.arrival():
            message = await call.context.read()
        if message is grpc.aio.EOF:
            raise Failure(400, "the call ended without a message")
        return bytes(message)

    async def _store(self, call: ExportCall, message: bytes) -> bytes:
        with self._admission.memory(len(message)):
            plain = await self._in_thread(inflated, message) if may_be_compressed(message) else message
        call.measure.took(len(message), len(plain))
        del message
        with self._admission.memory(len(plain)):
            async with self._admission.turn(len(plain)):
                key, answer = await self._in_thread(
                    _answer, call.signal, call.credentials, plain, call.do_not_track, unless=call.context.done
                )
        self._recent_keys.add(call.credentials, key)  # its rate limit may have changed
        return answer

    def _stored(self, task: asyncio.Task[bytes]) -> None:
        self._storing.discard(task)
        if not task.cancelled():
            task.exception()  # mark as retrieved: asyncio would log it if the client has gone

    async def _in_thread(
        self, function: Callable[..., T], *arguments: object, unless: Callable[[], bool] | None = None
    ) -> T:
        async with self._threads:
            if unless is not None and unless():
                raise Failure(503, "the client has gone")
            return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)


def _authenticated(credentials: Mapping[str, str]) -> Key:
    freshen()
    return authenticate(credentials, "ingest")


def _answer(
    signal: str, credentials: Mapping[str, str], message: bytes, do_not_track: bool
) -> tuple[Key, bytes]:
    """Store a message. Returns the key as it is now, and the Export…ServiceResponse. Called on a thread."""
    freshen()
    key = authenticate(credentials, "ingest")
    counting.note_use(key.pk)
    received = receive(
        signal=signal, encoding=status.PROTOBUF, body=message, key=key, do_not_track=do_not_track
    )
    return key, status.response(signal, status.PROTOBUF, received.rejected, received.message)
