"""The three Export methods. OK means committed, as 200 does over HTTP.

They take raw bytes and decode them as HTTP does, for grpcio would answer INTERNAL to garbage. And
they are registered as if the client streamed: it is the same on the wire, but the handler is called
with the headers, so that the key is looked at before a message is received, and a stalled sender
holds no thread.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import grpc
from django.conf import settings

from consent.api.do_not_track import asks_not_to_be_tracked
from consent.keys import authenticate
from consent.models import Key
from ingest import dry_run
from ingest.errors import CODES, LIMITS, Failure, failure_of
from ingest.grpc.admission import Admission
from ingest.http.messages import DRY_RUN_HEADER
from ingest.load import rate_limits
from ingest.load.body import BodyRefused, inflate
from ingest.load.connections import freshen
from ingest.load.recent_keys import KnownKeys
from ingest.otlp import status
from ingest.receive import receive
from ingest.traffic import counting, prometheus

SERVICES = {
    "traces": "opentelemetry.proto.collector.trace.v1.TraceService",
    "logs": "opentelemetry.proto.collector.logs.v1.LogsService",
    "metrics": "opentelemetry.proto.collector.metrics.v1.MetricsService",
}
KEY_HEADERS = ("authorization", "x-api-key")
GZIP = b"\x1f\x8b"  # how gzip begins, and no protobuf message ever
GZIP_BITS, ZLIB_BITS = 31, 15  # zlib's words for the two
STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}

Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")


class Exports:
    """The handlers, and the few threads in which they talk to the databases."""

    def __init__(self, *, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, "export")
        self._threads = asyncio.Semaphore(threads)
        self._admission = Admission(max_message=settings.OTLP_MAX_BODY_BYTES)
        self._known = KnownKeys()
        self._storing: set[asyncio.Task[bytes]] = set()

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        return [
            grpc.method_handlers_generic_handler(
                service, {"Export": grpc.stream_unary_rpc_method_handler(self._handler(signal))}
            )
            for signal, service in SERVICES.items()
        ]

    async def finish(self) -> None:
        """Wait for what is being stored, also when nobody waits for the answer any more."""
        if self._storing:
            await asyncio.wait(self._storing)
        self._pool.shutdown()

    def _handler(self, signal: str) -> Callable[[object, Context], Awaitable[bytes]]:
        async def export(_messages: object, context: Context) -> bytes:
            call = Call(signal, context)
            try:
                with self._admission.call():
                    answer = await self._export(call)
                call.status = "OK"
                return answer
            except Exception as error:  # the outermost edge: never UNKNOWN, for clients do not resend it
                return await call.refuse(failure_of(error))
            finally:
                call.measure.ended(call.status)

        return export

    async def _export(self, call: "Call") -> bytes:
        dry_run.refuse(call.dry_run)
        key = await self._let_in(call.credentials)
        call.key_id = key.pk
        rate_limits.spend(key)
        # A task of its own: a client that goes away gives back neither the thread nor the memory.
        task = asyncio.create_task(self._store(call, await self._message(call)))
        self._storing.add(task)
        task.add_done_callback(self._stored)
        return await asyncio.shield(task)

    async def _let_in(self, credentials: Mapping[str, str]) -> Key:
        """The key. Raises `KeyRefused` before any message is received.

        A key that was good a moment ago is let in unasked; it is looked up again before anything is
        stored, so that a revoked one stores nothing.
        """
        key = self._known.get(credentials)
        if key is None:
            key = await self._in_thread(_authenticated, credentials)
            self._known.add(credentials, key)
        return key

    async def _message(self, call: "Call") -> bytes:
        async with self._admission.arrival():
            message = await call.context.read()
        if message is grpc.aio.EOF:
            raise Failure(400, "the call ended without a message")
        return bytes(message)

    async def _store(self, call: "Call", message: bytes) -> bytes:
        with self._admission.memory(len(message)):
            plain = await self._in_thread(inflated, message) if may_be_compressed(message) else message
        call.measure.took(len(message), len(plain))
        del message
        with self._admission.memory(len(plain)):
            async with self._admission.turn(len(plain)):
                return await self._in_thread(
                    _answer, call.signal, call.credentials, plain, call.do_not_track, unless=call.context.done
                )

    def _stored(self, task: asyncio.Task[bytes]) -> None:
        self._storing.discard(task)
        if not task.cancelled():
            task.exception()  # it has been looked at, if the client has not stayed for the answer

    async def _in_thread(
        self, function: Callable[..., T], *arguments: object, unless: Callable[[], bool] | None = None
    ) -> T:
        async with self._threads:
            if unless is not None and unless():
                raise Failure(503, "the client has gone")
            return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)


class Call:
    """One call: what its metadata say, and how it is refused."""

    def __init__(self, signal: str, context: Context) -> None:
        self.signal = signal
        self.context = context
        self.key_id: int | None = None
        self.measure, self.status = prometheus.Request("grpc", signal), "CANCELLED"  # unless it is answered
        metadata = {name: value for name, value in context.invocation_metadata() or () if type(value) is str}
        self.credentials = {name: metadata.get(name, "") for name in KEY_HEADERS}
        self.dry_run = metadata.get(DRY_RUN_HEADER, "").strip().lower()
        self.do_not_track = asks_not_to_be_tracked(metadata)

    async def refuse(self, failure: Failure) -> bytes:
        """Count it and abort the call. Never returns."""
        code, retry_after = CODES[failure.code], failure.headers.get("Retry-After")
        metadata: list[tuple[str, str | bytes]] = []
        if retry_after:  # the Python SDK reads the second form only, others the first
            delay = status.retry_info(int(retry_after))
            metadata.append(
                ("grpc-status-details-bin", status.failure_to_retry(code, failure.message, delay))
            )
            metadata.append(("google.rpc.retryinfo-bin", delay))
        reason, self.status = failure.reason, STATUS_CODES[code].name
        try:
            await self.context.abort(STATUS_CODES[code], failure.message, tuple(metadata))
        except grpc.aio.InternalError:
            reason, self.status = (
                "too_large",
                "RESOURCE_EXHAUSTED",
            )  # gRPC itself has refused it, and answered
            raise
        finally:
            counting.reject(self.key_id, self.signal, reason, transport="grpc", status=self.status)
            if reason in LIMITS:
                prometheus.RATE_LIMITED.labels("grpc", reason).inc()


def _authenticated(credentials: Mapping[str, str]) -> Key:
    freshen()
    return authenticate(credentials, "ingest")


def _answer(signal: str, credentials: Mapping[str, str], message: bytes, do_not_track: bool) -> bytes:
    """Store a message; the Export…ServiceResponse. In a thread of the pool."""
    freshen()
    key = authenticate(credentials, "ingest")
    counting.note_use(key.pk)
    answer = receive(
        signal=signal, encoding=status.PROTOBUF, body=message, key=key, do_not_track=do_not_track
    )
    return status.response(signal, status.PROTOBUF, answer.rejected, answer.message)


def may_be_compressed(message: bytes) -> bool:
    """Whether a message begins as gzip or zlib do (RFC 1950: 8 in the low half, divisible by 31)."""
    return message[:2] == GZIP or (message[:1] == b"\x78" and int.from_bytes(message[:2], "big") % 31 == 0)


def inflated(message: bytes) -> bytes:
    """A compressed message as it was before; any other as it is. Raises `BodyRefused`.

    gRPC leaves this to us: its own bound on what comes out is met only once it has come out, and
    what goes wrong is INTERNAL.
    """
    limit = settings.OTLP_MAX_BODY_BYTES
    if message[:2] == GZIP:
        return inflate(message, GZIP_BITS, limit)
    try:
        return inflate(message, ZLIB_BITS, limit)
    except BodyRefused as refused:
        if refused.status == 413:
            raise
        return message  # an unknown field that happens to look like zlib; its checksum says that it is not
