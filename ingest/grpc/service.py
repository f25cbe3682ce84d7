"""The three Export methods of OTLP over gRPC. OK means committed, as 200 does over HTTP.

They take raw bytes and decode them as HTTP does, because grpcio would answer INTERNAL to garbage.
They are registered as client-streaming methods: on the wire that is the same, but the handler is called
as soon as the headers are there. So the key is checked before a message is received, and a stalled
sender holds no thread.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import grpc
from django.conf import settings

from consent.keys import authenticate
from consent.models import Key
from ingest import dry_run
from ingest.errors import Failure, failure_of
from ingest.grpc.admission import CALLS, Admission
from ingest.grpc.call import Context, ExportCall
from ingest.grpc.compression import inflated, may_be_compressed
from ingest.load import rate_limits
from ingest.load.body import LARGE
from ingest.load.connections import freshen
from ingest.load.recent_keys import RecentKeys
from ingest.load.threads import Pool
from ingest.otlp import status
from ingest.receive import receive
from ingest.traffic import counting

SERVICES = {
    "traces": "opentelemetry.proto.collector.trace.v1.TraceService",
    "logs": "opentelemetry.proto.collector.logs.v1.LogsService",
    "metrics": "opentelemetry.proto.collector.metrics.v1.MetricsService",
}
SPARE = 1  # threads for keys that hold none


class ExportService:
    """The handlers, and the few threads on which they talk to the databases."""

    def __init__(self, *, threads: int) -> None:
        self._pool = Pool(name="export", threads=threads, spare=SPARE, waiting=CALLS, before=freshen)
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
        self._pool.stop()

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
        task = asyncio.create_task(self._store(call, key, await self._message(call)))
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
            key = await self._pool.run(authenticate, credentials, "ingest")
            self._recent_keys.add(credentials, key)
        return key

    async def _message(self, call: ExportCall) -> bytes:
        async with self._admission.arrival():
            message = await call.context.read()
        if message is grpc.aio.EOF:
            raise Failure(400, "the call ended without a message")
        return bytes(message)

    async def _store(self, call: ExportCall, key: Key, message: bytes) -> bytes:
        plain, key_id = message, key.pk
        if may_be_compressed(message):
            with self._admission.memory(len(message), key_id):
                plain = await self._pool.run_for(key_id, inflated, message)
        rate_limits.spend_bytes(key, len(plain))
        call.measure.took(len(message), len(plain))
        del message
        with self._admission.memory(len(plain), key_id):
            key, answer = await self._pool.run_for(key_id, _answer, call, plain, is_large=len(plain) > LARGE)
        self._recent_keys.add(call.credentials, key)  # its rate limit may have changed
        return answer

    def _stored(self, task: asyncio.Task[bytes]) -> None:
        self._storing.discard(task)
        if not task.cancelled():
            task.exception()  # mark as retrieved: asyncio would log it if the client has gone


def _answer(call: ExportCall, message: bytes) -> tuple[Key, bytes]:
    """Store a message. Returns the key as it is now, and the Export…ServiceResponse. Called on a thread."""
    if call.context.done():
        raise Failure(503, "the client has gone")
    key = authenticate(call.credentials, "ingest")
    counting.note_use(key.pk)
    received = receive(
        signal=call.signal,
        encoding=status.PROTOBUF,
        body=message,
        key=key,
        do_not_track=call.do_not_track,
    )
    return key, status.response(call.signal, status.PROTOBUF, received.rejected, received.message)
