"""The two ports as granian serves them (RSGI): OTLP to `ingest`, everything else to Django.

One event loop a process reads bodies, a few threads do the work: some for OTLP, others for pages, so
that a slow report never holds up ingest.
"""

import asyncio
import gc
import sys
from collections.abc import Awaitable

from django.conf import settings

from ingest.http.answers import not_found
from ingest.http.edge import PREFIXES, Edge
from ingest.http.incoming import IncomingBody
from ingest.http.messages import media_type_of
from ingest.http.rsgi import HTTPProtocol, Scope
from ingest.load.connections import freshen
from ingest.load.memory_budget import Budget
from ingest.load.threads import Pool
from telemetry_site.server.bridge import Application, Bridge

INGEST_THREADS, PAGE_THREADS = 4, 3  # per process; each may hold a connection to both databases
# Objects made and not yet freed until cycles are looked for. A request makes some thousands at once, and none
# of them in a cycle; Python's 700 would have them walked over and over.
CYCLES_AFTER = 20_000
# Seconds for which a thread may compute while others want to. A request of some hundred records takes that
# long until it waits for a database; cut up, as by Python's 0.005, it finds the caches cold (6 % slower).
TURN = 0.02


class Port:
    """An RSGI application. Without a site it is the OTLP port: OTLP and /health, and nothing else."""

    def __init__(self, site: Application | None = None) -> None:
        gc.freeze()  # what is there by now stays for good
        gc.set_threshold(CYCLES_AFTER, 10, 10)
        sys.setswitchinterval(TURN)
        waiting, self._budget = settings.REQUESTS_WAITING, Budget(settings.BODY_MEMORY_BYTES)
        self._ingest = Pool(name="ingest", threads=INGEST_THREADS, waiting=waiting, before=freshen)
        self._edge = Edge(self._ingest, self._budget)
        self._pages = Pool(name="pages", threads=PAGE_THREADS, waiting=waiting, before=lambda: None)
        self._bridge = Bridge(site, self._pages, self._budget) if site else None

    def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> Awaitable[None]:
        if scope.path.startswith(PREFIXES):
            return self._edge(scope, protocol)
        if scope.path == "/health" and scope.method in ("GET", "HEAD"):
            return _healthy(protocol)
        if self._bridge:
            return self._bridge(scope, protocol)
        return self._nothing_here(scope, protocol)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._ingest.stop()
        self._pages.stop()

    async def _nothing_here(self, scope: Scope, protocol: HTTPProtocol) -> None:
        protocol.response_bytes(*not_found(media_type_of(scope.headers)))
        await IncomingBody(protocol, scope.headers, self._budget.share()).read_away()


async def _healthy(protocol: HTTPProtocol) -> None:
    """Alive as long as the loop turns, however busy the threads are; asked for by any name."""
    protocol.response_str(200, [("Content-Type", "application/json")], '{"status": "ok"}')
