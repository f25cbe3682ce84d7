"""Django behind granian's event loop: it gets the right request, and its answers arrive whole."""

import http.client
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from pytest_django import Settings
from pytest_django.plugin import DjangoDbBlocker

from telemetry_site.server.bridge import MAX_BODY_BYTES, Bridge
from tests.support.receiver import receiver


class Headers(dict[str, str]):
    """Headers as granian gives them; a name may occur twice."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        super().__init__(pairs)
        self._pairs = pairs

    def items(self) -> Any:
        return self._pairs


def environ(*headers: tuple[str, str], body: bytes = b"", **changes: Any) -> dict[str, Any]:
    scope: Any = SimpleNamespace(
        client="192.0.2.7:4711",
        server="127.0.0.1:8000",
        scheme="http",
        method="POST",
        path="/caf\u00e9",
        query_string="a=%20b",
        http_version="1.1",
        authority=None,
        headers=Headers(*headers),
    )
    scope.__dict__.update(changes)
    return Bridge(lambda *_: [], None, None).environ(scope, body)  # type: ignore[arg-type]


def test_the_environment_is_that_of_pep_3333() -> None:
    told = environ(
        ("host", "shop.example"), ("content-type", "text/plain"), ("content-length", "2"), body=b"ab"
    )
    assert told["PATH_INFO"] == "/caf\u00c3\u00a9"  # UTF-8, one character a byte
    assert (told["REQUEST_METHOD"], told["QUERY_STRING"]) == ("POST", "a=%20b")
    assert (told["SERVER_NAME"], told["SERVER_PORT"], told["REMOTE_ADDR"]) == (
        "127.0.0.1",
        "8000",
        "192.0.2.7",
    )
    assert (told["HTTP_HOST"], told["CONTENT_TYPE"], told["CONTENT_LENGTH"]) == (
        "shop.example",
        "text/plain",
        "2",
    )
    assert (told["wsgi.url_scheme"], told["SERVER_PROTOCOL"]) == ("http", "HTTP/1.1")
    assert told["wsgi.input"].read() == b"ab"


def test_headers_that_come_twice_are_joined_and_lookalikes_left_out() -> None:
    told = environ(("x-a", "1"), ("x-a", "2"), ("cookie", "a=1"), ("cookie", "b=2"), ("x_a", "3"))
    assert (told["HTTP_X_A"], told["HTTP_COOKIE"]) == ("1,2", "a=1; b=2")


def test_a_chunked_body_has_a_length_by_now() -> None:
    told = environ(("transfer-encoding", "chunked"), body=b"abc")
    assert told["CONTENT_LENGTH"] == "3"
    assert "HTTP_TRANSFER_ENCODING" not in told


@pytest.mark.parametrize(
    ("client", "believed"),
    [
        ("192.0.2.7:1", True),
        ("[2001:db8::1]:1", True),
        ("[::ffff:192.0.2.7]:1", True),
        ("203.0.113.5:1", True),
        ("198.51.100.1:1", False),
        ("[::ffff:198.51.100.1]:1", False),
    ],
)
def test_only_a_trusted_proxy_says_how_the_request_came(
    settings: Settings, client: str, believed: bool
) -> None:
    settings.TRUSTED_PROXIES = ["192.0.2.0/24", "2001:db8::1", "::ffff:203.0.113.0/120"]
    assert ("HTTP_X_FORWARDED_PROTO" in environ(("x-forwarded-proto", "https"), client=client)) is believed


def test_without_trusted_proxies_nobody_does() -> None:
    assert "HTTP_X_FORWARDED_PROTO" not in environ(("x-forwarded-proto", "https"))


# --- Under granian ---------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def address(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    log = tmp_path_factory.mktemp("site") / "log"
    with django_db_blocker.unblock(), receiver(log, target="telemetry_site.server.rsgi") as address:
        yield address


def request(address: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, sent, encode_chunked=not isinstance(body, bytes | None))
    answer = connection.getresponse()
    answer.content = answer.read()  # type: ignore[attr-defined]
    return answer


@pytest.mark.django_db(transaction=True)
def test_a_page_and_its_static_files_arrive(address: str) -> None:
    page = request(address, "GET", "/accounts/login/")
    assert (page.status, page.getheader("Content-Type")) == (200, "text/html; charset=utf-8")
    assert "Content-Security-Policy" in page.headers
    assert page.getheader("Set-Cookie", "").startswith("csrftoken=")
    script = request(address, "GET", "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js")
    assert (script.status, len(script.content)) == (200, int(script.getheader("Content-Length")))
    assert len(script.content) > 1024 * 1024
    head = request(address, "HEAD", "/accounts/login/")
    assert (head.status, head.content) == (200, b"")


@pytest.mark.django_db(transaction=True)
def test_signing_in_works(address: str, admin_user: Any) -> None:
    token = request(address, "GET", "/accounts/login/").getheader("Set-Cookie").split(";")[0]
    form = f"csrfmiddlewaretoken={token.partition('=')[2]}&username=admin&password=password".encode()
    types = {"Content_Type": "application/x-www-form-urlencoded", "Cookie": token}
    answer = request(address, "POST", "/accounts/login/", form, **types)
    assert (answer.status, answer.getheader("Location")) == (302, "/dashboards/")
    cookies = "; ".join(value.split(";")[0] for value in answer.headers.get_all("Set-Cookie"))
    assert request(address, "GET", "/dashboards/", Cookie=cookies).status == 200


def test_a_foreign_host_is_refused_by_pages_only(address: str) -> None:
    assert request(address, "GET", "/accounts/login/", Host="evil.example").status == 400
    assert request(address, "POST", "/v1/logs", b"{}", Host="evil.example").status == 401


def test_a_body_larger_than_any_page_needs_is_refused(address: str) -> None:
    assert request(address, "POST", "/accounts/login/", b" " * (MAX_BODY_BYTES + 1)).status == 413


def test_vendor_reports_may_be_chunked(address: str) -> None:
    answer = request(address, "POST", "/telemetry/heartbeat", iter([b"{", b"}"]))
    assert (answer.status, b"no key" in answer.content) == (401, True)


def test_what_is_below_otlps_prefix_is_otlps(address: str) -> None:
    answer = request(address, "GET", "/v1/nothing")
    assert (answer.status, answer.getheader("Content-Type")) == (404, "application/json")
