"""The gRPC server of one process: its options, its health, and how it ends.

grpcio must never be forked, so every process starts its own server; several share a port with
SO_REUSEPORT. TLS is left to the proxy.
"""

import asyncio
import logging
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from django.conf import settings
from django.db import DatabaseError, connections
from grpc_health.v1 import health, health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from ingest.grpc.service import SERVICES, ExportService
from ingest.load.connections import freshen
from ingest.traffic import prometheus
from postgres.pipeline import answers

logger = logging.getLogger(__name__)

DRAIN = 8  # seconds that calls get after SIGTERM; `up` kills after 10
HEALTH_EVERY = 2.0  # seconds
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class CannotListen(Exception):
    """The address is in use or invalid."""


def options(*, reuse_port: bool) -> list[tuple[str, int]]:
    """gRPC's channel arguments."""
    return [
        ("grpc.max_receive_message_length", settings.OTLP_MAX_BODY_BYTES),
        ("grpc.per_message_decompression", 0),  # compression.py does it
        ("grpc.max_concurrent_streams", 256),  # per connection; more wait at the client
        ("grpc.so_reuseport", int(reuse_port)),
        # Clients may ping every second, also between calls: SDKs, meshes and load balancers do, and
        # gRPC's default (5 minutes) would break their connections.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 900),
        # We ping too, so that connections to peers that have vanished are closed.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        # Connections are closed politely now and then, so that load spreads over the processes.
        ("grpc.max_connection_age_ms", 600_000),
        ("grpc.max_connection_age_grace_ms", 30_000),
    ]


async def serve(address: str, *, threads: int, reuse_port: bool = False, announce: Any = None) -> None:
    """Serve until SIGTERM or SIGINT, then let running calls finish. Raises `CannotListen`."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    server = grpc.aio.server(options=options(reuse_port=reuse_port))
    exports, state = ExportService(threads=threads), Health()
    server.add_generic_rpc_handlers(exports.handlers())
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError:
        raise CannotListen(f"OTLP/gRPC cannot listen on {address}: it is in use or invalid.") from None
    await server.start()
    prometheus.note_start()
    if announce:
        announce(port)
    watching = asyncio.create_task(state.watch_databases())
    await ended.wait()
    watching.cancel()
    await state.end()
    await server.stop(DRAIN)
    await exports.finish()


class Health(health.aio.HealthServicer):  # type: ignore[misc]  # untyped
    """grpc.health.v1: '' tells whether this process answers, a service's name whether it can store."""

    def __init__(self) -> None:
        super().__init__()
        self._watchers: set[asyncio.Future[None]] = set()
        self._ending = False

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802
        watcher = asyncio.ensure_future(super().Watch(request, context))
        self._watchers.add(watcher)
        try:
            await watcher
        except asyncio.CancelledError:
            if not self._ending:  # the client has gone
                raise
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the server ends")
        finally:
            self._watchers.discard(watcher)

    async def watch_databases(self) -> None:
        """Keep the state of each service up to date until cancelled."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "health") as thread:
            while True:
                state = SERVING if await loop.run_in_executor(thread, databases_answer) else NOT_SERVING
                for service in SERVICES.values():
                    await self.set(service, state)
                await asyncio.sleep(HEALTH_EVERY)

    async def end(self) -> None:
        """Report NOT_SERVING, then end the watchers' streams: they would keep the server from stopping."""
        await self.enter_graceful_shutdown()
        await asyncio.sleep(0.05)  # so that it is sent before the streams end
        self._ending = True
        for watcher in self._watchers:
            watcher.cancel()


def databases_answer() -> bool:
    """Whether both databases answer, within the time limit of `postgres.pipeline`."""
    freshen()
    for alias in connections:
        wrapper = connections[alias]
        try:
            wrapper.ensure_connection()
        except DatabaseError:
            return False
        if not answers(wrapper.connection):
            wrapper.close()
            return False
    return True
