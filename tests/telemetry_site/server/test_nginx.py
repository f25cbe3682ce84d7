"""The examples of proxies in the documentation; the one for nginx as a real nginx runs it."""

import re
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.support.needed import needed
from tests.support.programs import ROOT, free_port, until


class _Echo(BaseHTTPRequestHandler):
    """Answers with the request's own X-Forwarded-For."""

    def do_GET(self) -> None:
        content = "|".join(self.headers.get_all("X-Forwarded-For", [])).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def example(language: str) -> str:
    """The first example of a proxy in this language."""
    found = re.search(rf"```{language}\n(.*?)```", (ROOT / "docs/operate.md").read_text(), re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[str]:
    """The address of an nginx with the documented server, without TLS, in front of an echo."""
    program, port = needed("nginx"), free_port()
    upstream = HTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    server = example("nginx").replace("/var/log/nginx", str(tmp_path))
    server = server.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    server = server.replace("127.0.0.1:8000", f"127.0.0.1:{upstream.server_port}")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in kinds)
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"daemon off; pid {tmp_path}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {paths}\n{server} }}\n"
    )
    running = subprocess.Popen([program, "-p", str(tmp_path), "-c", str(config)], stderr=subprocess.PIPE)
    address = f"http://127.0.0.1:{port}"
    try:
        until(lambda: forwarded(address) is not None or running.poll() is not None, what="nginx answers")
        yield address
    finally:
        running.terminate()
        running.wait(10)
        upstream.shutdown()


def forwarded(address: str, **headers: str) -> str | None:
    """The header that arrives behind nginx; None while nobody answers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return None


@pytest.mark.parametrize("path", ["/accounts/login/", "/privacy/mine/x/"])
def test_what_a_client_writes_into_the_header_does_not_arrive(nginx: str, path: str) -> None:
    forged = {"X-Forwarded-For": "203.0.113.9, 10.0.0.5"}
    assert forwarded(nginx + path, **forged) == "127.0.0.1"
    assert forwarded(nginx + path) == "127.0.0.1"


def test_no_log_of_nginx_has_a_query_an_address_or_a_referrer(nginx: str, tmp_path: Path) -> None:
    """Browsers with a client of Sentry put their key into the query, and links may hold more."""
    path = f"{nginx}/api/1/envelope/?sentry_key=cnd_pub_canary"
    assert forwarded(path, Referer="https://app.example/?canary") == "127.0.0.1"
    until(lambda: (tmp_path / "candid.log").read_text(), what="the request is in the log")
    logs = (tmp_path / "candid.log").read_text() + (tmp_path / "candid-errors.log").read_text()
    assert "/api/1/envelope/" in logs
    assert "canary" not in logs
    assert "127.0.0.1" not in logs


def test_no_example_of_a_proxy_logs_a_query() -> None:
    nginx, caddy = example("nginx"), example("caddy")
    logged = re.findall(r"access_log (.*?);", nginx)
    assert set(logged) == {"/var/log/nginx/candid.log no_query", "off"}
    [fields] = re.findall(r"log_format no_query '(.*?)';", nginx)
    assert not set(re.findall(r"\$\w+", fields)) & {
        "$request",
        "$request_uri",
        "$args",
        "$query_string",
        "$http_referer",
    }
    assert 'request>uri regexp "(/privacy/mine/|[?]).*" ""' in caddy
    assert "request>headers delete" in caddy
    assert "exclude http.log.error" in caddy
