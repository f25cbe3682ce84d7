"""The real SDK of Sentry for browsers, unmodified, on a page of another origin, with a publishable key."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from analytics.models import FeatureUsage, UserActivity
from consent.keys import issue_key
from consent.pseudonyms import pseudonym
from ingest.models import TrafficCount
from ingest.traffic import counting
from tests.support.canaries.search import everywhere
from tests.support.otlp import grant
from tests.support.programs import until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PAGE = Path(__file__).with_name("shop.html")


class Files(http.server.SimpleHTTPRequestHandler):
    """The page, and the packages of `tests/node` as they were installed."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path != "/users/17/cart":
            super().do_GET()
            return
        page = PAGE.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def shop(node_modules: Path) -> Iterator[str]:
    """The origin of the page."""
    handler = functools.partial(Files, directory=str(node_modules / "node_modules"))
    with http.server.ThreadingHTTPServer(("localhost", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


def test_the_real_sdk_on_a_page(
    browser: Browser, live_server: LiveServer, shop: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    grant(user="page-user", organization="page-organization")
    text, key = issue_key(name="page", scopes=["ingest"], origins=[shop])
    dsn = f"http://{text}@{urlsplit(live_server.url).netloc}/7"
    context = browser.new_context()
    page, sent, answered = context.new_page(), [], []
    page.on("request", lambda asked: sent.append(asked.post_data_buffer or b""))
    page.on("response", lambda answer: answered.append((urlsplit(answer.url).path, answer.status)))
    page.goto(f"{shop}/users/17/cart#{quote(dsn, safe='')}")
    page.wait_for_selector("html[data-sent=yes]", state="attached")
    assert page.evaluate("window.finish()")
    until(lambda: UserActivity.objects.count() == 2, what="the session's end is stored")
    context.close()

    assert {status for path, status in answered if path == "/api/7/envelope/"} == {200}
    assert any(b'"replay_recording"' in body for body in sent)
    counting.flush()
    counts = {(row.outcome, row.reason): row.count for row in TrafficCount.objects.filter(key_id=key.pk)}
    assert counts == {("accepted", ""): 7, ("refused", "unroutable"): 1}
    origin = {"app": "web-shop", "app_version": "2.0.1", "environment": "production"}
    said = {(row.feature_name, row.action): row.event_metadata for row in FeatureUsage.objects.all()}
    assert said.pop(("page_view", "timed"))["duration_ms"] > 0
    assert said.pop(("search.index", "timed"))["duration_ms"] > 0
    assert {name: origin.items() <= told.items() for name, told in said.items()} == {
        ("cart", "filled"): True, ("harmlessword", "used"): True, ("exception", "failed"): True,
    }  # fmt: skip
    assert said["cart", "filled"]["count"] == 3
    assert said["exception", "failed"]["error.type"] == "OutOfStock"
    assert said["exception", "failed"]["code.function.name"] == "<anonymous>.fillCart"
    assert {row.event_type for row in UserActivity.objects.all()} == {"session_start", "session_end"}
    rows = [*FeatureUsage.objects.all(), *UserActivity.objects.all()]
    assert {row.user_id for row in rows} == {pseudonym("user", "page-user")}
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "log").write_text(caplog.text)
    found = everywhere(tmp_path / "logs", tmp_path)
    assert found.canaries == []
    assert found.harmless > 0
