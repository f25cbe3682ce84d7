"""The receiver of what is sent: a real HTTP server that gives the answer a test chooses."""

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings


class Vendor(http.server.ThreadingHTTPServer):
    """The receiver, with the answer that the test chooses."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.daemon_threads = True
        self.status, self.text = 200, "{}"
        self.heard: list[tuple[str, dict[str, str], dict[str, Any]]] = []

    @property
    def paths(self) -> list[str]:
        return [path for path, _, _ in self.heard]


class Answer(http.server.BaseHTTPRequestHandler):
    server: Vendor

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.heard.append((self.path, headers, body))
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(self.server.text.encode())

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def vendor(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    server = Vendor()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    settings.HEARTBEAT_ENDPOINT = f"http://127.0.0.1:{server.server_port}"
    settings.HEARTBEAT_KEY = "cnd_test"
    settings.TELEMETRY_ENABLED = True
    yield server
    server.shutdown()
    server.server_close()
