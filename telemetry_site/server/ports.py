"""The two ports that granian serves (RSGI): events go to `ingest`, everything else to Django.

In each process one event loop reads bodies and a few threads do the work. OTLP has threads of its own, and
so has each lane of the site (`lanes.py`): a slow report delays neither ingest nor a withdrawal.
"""

import asyncio
import gc
import sys
from collections.abc import Awaitable

from django.conf import settings

from ingest.http.answers import not_found
from ingest.http.edge import Edge, answers_at
from ingest.http.incoming import IncomingBody
from ingest.http.messages import media_type_of
from ingest.http.rsgi import HTTPProtocol, Scope
from ingest.load.connections import freshen
from ingest.load.memory_budget import Budget
from ingest.load.threads import Pool
from telemetry_site.server import lanes, outflow
from telemetry_site.server.bridge import Application, Bridge

INGEST_THREADS, SPARE_THREADS = 4, 1  # per process; each may hold a connection to both databases
# New objects after which Python looks for cycles. A request makes thousands, none of them in a cycle;
# with the default of 700 they would be scanned over and over.
CYCLES_AFTER = 20_000
# Seconds a thread may compute before others get a turn. A request of several hundred records needs about
# that long before it waits for a database. Python's default of 5 ms is 6 % slower: caches go cold.
TURN = 0.02


class Port:
    """An RSGI application. Without a site it is the OTLP port: events and /health, and nothing else."""

    def __init__(self, site: Application | None = None) -> None:
        gc.freeze()  # everything loaded so far stays
        gc.set_threshold(CYCLES_AFTER, 10, 10)
        sys.setswitchinterval(TURN)
        waiting, self._budget = settings.REQUESTS_WAITING, Budget(settings.BODY_MEMORY_BYTES)
        outflow.end_stalled_writes()
        self._ingest = Pool(
            name="ingest", threads=INGEST_THREADS, spare=SPARE_THREADS, waiting=waiting, before=freshen
        )
        self._edge = Edge(self._ingest, self._budget)
        self._lanes = lanes.pools(waiting) if site else {}
        self._bridge = Bridge(site, self._lanes, self._budget) if site else None

    def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> Awaitable[None]:
        if answers_at(scope.path):
            return self._edge(scope, protocol)
        if scope.path == "/health" and scope.method in ("GET", "HEAD"):
            return _healthy(protocol)
        if self._bridge:
            return self._bridge(scope, protocol)
        return self._nothing_here(scope, protocol)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._ingest.stop()
        for pool in self._lanes.values():
            pool.stop()

    async def _nothing_here(self, scope: Scope, protocol: HTTPProtocol) -> None:
        protocol.response_bytes(*not_found(media_type_of(scope.headers)))
        await IncomingBody(protocol, scope.headers, self._budget.share()).discard_rest()


async def _healthy(protocol: HTTPProtocol) -> None:
    """Alive as long as the event loop runs, however busy the threads are. Under any host name."""
    protocol.response_str(200, [("Content-Type", "application/json")], '{"status": "ok"}')
