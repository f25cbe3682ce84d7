"""A real Chromium against a live server, and a page that remembers what went wrong on it."""

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.dashboards.conftest import days_ago, feature_used, people, requested, signed_in
from tests.support.rolling import roll_up

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE, NARROW = 1440, 390
PASSWORD = "mira-mira"


@pytest.fixture(scope="package", autouse=True)
def _databases_beside_a_loop() -> Iterator[None]:
    """Playwright's loop runs in this thread, and Django would take every query for one inside of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    """For these tests only: while it is open its loop runs in this thread, where no other loop then can."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


class Window:
    """A page of the live server, and everything that the browser complained about."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.page: Page = context.new_page()
        self.address = address
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", self._note_if_foreign)

    def _note_if_foreign(self, request: object) -> None:
        url: str = request.url  # type: ignore[attr-defined]
        if not url.startswith((self.address, "blob:", "data:")):
            self.complaints.append(f"asked a stranger: {url}")

    def open(self, path: str) -> Page:
        self.page.goto(self.address + path)
        self.wait_for_plots()
        return self.page

    def wait_for_plots(self) -> None:
        if self.page.locator(".plot").count():
            self.page.wait_for_selector("html[data-plots=ready]", state="attached", timeout=15_000)

    def sign_in(self, name: str = "mira") -> None:
        self.page.goto(self.address + "/accounts/login/")
        self.page.fill("#id_username", name)
        self.page.fill("#id_password", PASSWORD)
        self.page.click("button[type=submit]")

    def assert_well(self) -> None:
        """No violation of the policy, nothing on the console, nothing wider than the screen."""
        assert self.complaints == []
        assert self.page.locator("html[data-csp]").count() == 0
        widths = "[document.documentElement.scrollWidth, innerWidth]"
        needed, given = self.page.evaluate(widths)
        assert needed <= given


@pytest.fixture
def window(browser: Browser, live_server: LiveServer) -> Iterator[Callable[..., Window]]:
    contexts: list[BrowserContext] = []

    def opened(
        *, width: int = WIDE, theme: str = "light", script: bool = True, signed_in: bool = True
    ) -> Window:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=theme,  # type: ignore[arg-type]
            java_script_enabled=script,
        )
        contexts.append(context)
        made = Window(context, live_server.url)
        if signed_in:
            made.sign_in()
        return made

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def busy(live_server: LiveServer) -> None:
    """A staff account and twenty days in which things happened."""
    User.objects.create_superuser("mira", password=PASSWORD)
    for days in range(20):
        everyone = people(10 + days)
        deployment = "cloud" if days % 2 else "self-hosted"
        signed_in(*everyone, at=days_ago(days), deployment=deployment)
        feature_used(*everyone, at=days_ago(days), deployment=deployment)
        feature_used(*everyone[:7], feature="search", at=days_ago(days), deployment=deployment)
        requested(*everyone, at=days_ago(days), ms=50 + days)
        requested(*everyone[:8], at=days_ago(days), ms=900, endpoint="/api/things/{id}/with/a/long/route")
    roll_up()
