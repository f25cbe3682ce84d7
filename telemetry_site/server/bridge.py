"""Runs Django's pages and APIs (WSGI, PEP 3333) on threads behind the event loop.

Django is synchronous here: the body is first read, within limits, then a thread runs the request.
"""

import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from typing import Any

from consent.api.proxies import address_of, is_proxy, tell_fault
from ingest.http.incoming import IncomingBody
from ingest.http.rsgi import HTTPProtocol, Scope
from ingest.load.body import BodyRefused
from ingest.load.memory_budget import Budget
from ingest.load.threads import Busy, CallerBusy, Pool
from ingest.traffic import prometheus
from telemetry_site.server.lanes import caller_of, lane_of
from telemetry_site.server.outflow import Outflow, Stalled

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 5 * 1024 * 1024
WHOLE = 1024 * 1024  # bytes; a longer answer is sent in pieces
CGI_NAMES = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
# What a proxy says about the request it received; believed only from TRUSTED_PROXIES.
FORWARDED = {"x-forwarded-proto", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "forwarded"}

Application = Callable[..., Iterable[bytes]]


class Bridge:
    """Answers a request with a WSGI application."""

    def __init__(self, application: Application, lanes: Mapping[str, Pool], budget: Budget) -> None:
        self._application, self._lanes, self._budget = application, lanes, budget

    async def __call__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        share = self._budget.share()
        incoming = IncomingBody(protocol, scope.headers, share)
        try:
            body = await incoming.read(MAX_BODY_BYTES)
            environ, pool = self.environ(scope, body), self._lanes[lane_of(scope.path)]
            await pool.run_for(caller_of(environ), self._respond, environ, protocol, scope.client)
        except BodyRefused as refused:
            _say(protocol, refused.status, refused.message)
        except CallerBusy:
            message = "too many of your requests are under way; ask again when one is answered"
            _say(protocol, 429, message, ("Retry-After", "2"))
        except Busy:
            _say(protocol, 503, "too many requests wait already", ("Retry-After", "2"))
        finally:
            share.give_back()
        await incoming.discard_rest()

    def environ(self, scope: Scope, body: bytes) -> dict[str, Any]:
        """The WSGI environment of a request whose body has been read."""
        client, server = scope.client.rpartition(":")[0].strip("[]"), scope.server.rpartition(":")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": scope.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": scope.path.encode("utf-8", "surrogateescape").decode("latin-1"),
            "QUERY_STRING": scope.query_string,
            "SERVER_NAME": server[0].strip("[]"),
            "SERVER_PORT": server[2],
            "SERVER_PROTOCOL": "HTTP/1.0" if scope.http_version == "1" else f"HTTP/{scope.http_version}",
            "REMOTE_ADDR": client,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": scope.scheme,
            "wsgi.input": BytesIO(body),
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        from_proxy = is_proxy(address_of(client))
        if fault := tell_fault(client, scope.headers):
            prometheus.count_proxy_fault(fault)
        for name, value in scope.headers.items():
            # `x_y` would become the same variable as `x-y`, which a proxy may have removed.
            if "_" in name or name == "transfer-encoding" or (name in FORWARDED and not from_proxy):
                continue
            variable = CGI_NAMES.get(name) or f"HTTP_{name.upper().replace('-', '_')}"
            if variable in environ:
                value = f"{environ[variable]}{'; ' if name == 'cookie' else ','}{value}"
            environ[variable] = value
        if scope.authority:  # of an absolute address: it wins over Host (RFC 9112, 3.2.2)
            environ["HTTP_HOST"] = scope.authority
        if body or "CONTENT_LENGTH" in environ:
            environ["CONTENT_LENGTH"] = str(len(body))
        return environ

    def _respond(self, environ: dict[str, Any], protocol: HTTPProtocol, client: str) -> None:
        """Run the application and send its answer, no faster than it is read. Called on a thread."""
        started: list[tuple[int, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _problem: Any = None) -> None:
            started[:] = [(int(status[:3]), [(name, _text(value)) for name, value in headers])]

        outflow: Outflow | None = None
        pieces = self._application(environ, start_response)
        try:
            status, headers = started[0]
            buffer, size, transport = [], 0, None
            for piece in pieces:
                buffer.append(piece)
                size += len(piece)
                if size > WHOLE:
                    transport = transport or protocol.response_stream(status, headers)
                    outflow = outflow or Outflow(client)
                    _ = transport.send_bytes(b"".join(buffer))  # queued at once: there is nothing to await
                    outflow.sent(size)
                    buffer, size = [], 0
            if transport is None or outflow is None:
                protocol.response_bytes(status, headers, b"".join(buffer))
            else:
                _ = transport.send_bytes(b"".join(buffer))  # queued at once: there is nothing to await
                outflow.sent(size)
                outflow.finish()
        except Stalled:
            logger.info("an answer was ended: its client did not read it")
        finally:
            if outflow:
                outflow.close()
            close = getattr(pieces, "close", None)
            if close:
                close()


def _say(protocol: HTTPProtocol, status: int, message: str, *headers: tuple[str, str]) -> None:
    protocol.response_str(status, [("Content-Type", "text/plain; charset=utf-8"), *headers], f"{message}\n")


def _text(value: str) -> str:
    """A header's value for granian, which writes UTF-8; WSGI's text stands for single bytes."""
    return value if value.isascii() else value.encode("latin-1").decode("utf-8", "replace")
