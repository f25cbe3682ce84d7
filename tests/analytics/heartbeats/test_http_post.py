"""One POST: what goes out, and how every kind of answer is read."""

import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from threading import Thread

import pytest
from pytest_django import Settings

from analytics.heartbeats import http_post
from tests.analytics.heartbeats.conftest import Vendor


def post(settings: Settings, path: str = "/v1/logs") -> tuple[int | None, str]:
    return http_post.post(settings.HEARTBEAT_ENDPOINT + path, {"a": 1})


def test_the_key_goes_in_the_header_and_nowhere_else(vendor: Vendor, settings: Settings) -> None:
    post(settings)
    path, headers, body = vendor.heard[0]
    assert (path, body) == ("/v1/logs", {"a": 1})
    assert headers["authorization"] == "Bearer cnd_test"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == f"Candid/{settings.VERSION}"
    settings.HEARTBEAT_KEY = ""
    post(settings)
    assert "authorization" not in vendor.heard[1][1]


def test_a_redirect_is_not_followed(vendor: Vendor, settings: Settings) -> None:
    vendor.status = 302
    assert post(settings)[0] == 302
    assert vendor.paths == ["/v1/logs"]


def test_an_answer_is_one_line_that_a_table_can_hold(vendor: Vendor, settings: Settings) -> None:
    vendor.text = " two\n lines\t\x00here"
    assert post(settings) == (200, "two lines here")
    vendor.text = "x" * 1_000_000
    assert post(settings) == (200, "x" * 200)


def test_a_refusal_without_words_says_its_phrase(vendor: Vendor, settings: Settings) -> None:
    vendor.status, vendor.text = 401, ""
    assert post(settings) == (401, "Unauthorized")
    vendor.text = "this key is unknown"
    assert post(settings) == (401, "this key is unknown")


def test_only_http_is_spoken(settings: Settings) -> None:
    assert http_post.post("file:///etc/hostname", {}) == (
        400,
        "HEARTBEAT_ENDPOINT must begin with http:// or https://",
    )


@pytest.fixture
def stranger() -> Iterator[tuple[str, list[bytes]]]:
    """A server that speaks no HTTP: it says each of these words, waits for two seconds, and hangs up."""
    words: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.recv(65536)
        for word in words:
            connection.sendall(word)
        connection.settimeout(2)
        with suppress(OSError):
            while connection.recv(65536):  # a body left unread would become a reset
                pass
        connection.close()

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = Thread(target=serve, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", words
        thread.join()


def test_a_silent_server_is_no_answer(
    stranger: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_post, "TIMEOUT", 0.1)
    assert http_post.post(stranger[0], {}) == (None, "timed out")


def test_words_that_are_not_http_are_no_answer(stranger: tuple[str, list[bytes]]) -> None:
    stranger[1].append(b"hello\r\n\r\n")
    assert http_post.post(stranger[0], {}) == (None, "hello")
