"""The public page and a person's own, in a real browser: looks, and forms under `no-referrer`."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from consent.api.links import make_link
from consent.decisions.recording import record_decision
from consent.models import ConsentPeriod, Method, State, SubjectKind
from consent.pseudonyms import pseudonym
from dashboards.views import privacy_traffic
from tests.browser.conftest import NARROW, WIDE, Window
from tests.support.events import activity, feature

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("unspent"),
]
JANE = pseudonym("user", "jane-4711")
PICTURES = os.environ.get("PICTURES")  # a directory: pictures of the pages are put there


@pytest.fixture(autouse=True)
def _events_of_jane(live_server: object) -> None:
    privacy_traffic.counter.forget()
    for days in range(1, 40):
        feature(JANE, timezone.now() - timedelta(days=days))
    activity(JANE, timezone.now() - timedelta(days=3))
    record_decision(kind=SubjectKind.USER, subject=JANE, state=State.GRANTED, actor="app", method=Method.API)


def taken(window: Window, name: str) -> None:
    if PICTURES:
        window.page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_both_pages_are_well(window: Callable[..., Window], theme: str, width: int) -> None:
    opened = window(signed_in=False, theme=theme, width=width)
    own = make_link(JANE)[0]
    unknown = make_link(pseudonym("user", "nobody"))[0]
    for path, name in (
        ("/privacy/", "privacy"),
        (own, "own"),
        (unknown, "own-unknown"),
    ):
        opened.open(path)
        opened.assert_well()
        taken(opened, f"{name}-{width}-{theme}")
    opened.page.goto(opened.address + "/privacy/mine/nothing")
    taken(opened, f"own-no-link-{width}-{theme}")


@pytest.mark.parametrize("script", [True, False])
def test_opting_out_and_in_again_with_and_without_a_script(
    window: Callable[..., Window], script: bool
) -> None:
    """No referrer is sent, so the browser says `Origin: null`: the form must be taken all the same."""
    opened = window(signed_in=False, script=script)
    page = opened.open(make_link(JANE)[0])
    sent: list[str | None] = []
    page.on("request", lambda request: sent.append(request.headers.get("referer")))

    page.get_by_role("button", name="Opt out").click()
    page.get_by_text("Opted out since").wait_for()
    assert page.get_by_role("button", name="Opt in").count() == 0
    page.goto(opened.address + make_link(JANE)[0])
    page.get_by_label("I agree that my events").check()
    page.get_by_role("button", name="Opt in").click()
    page.get_by_text("Opted in since").wait_for()

    states = ConsentPeriod.objects.filter(subject=JANE).order_by("since").values_list("state", flat=True)
    assert list(states) == ["granted", "denied", "granted"]
    assert not any(sent)


def test_the_public_page_can_be_printed(window: Callable[..., Window]) -> None:
    opened = window(signed_in=False, theme="dark")
    page = opened.open("/privacy/")
    page.emulate_media(media="print")

    assert page.locator(".theme").is_hidden()
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(255, 255, 255)"
    if PICTURES:
        page.pdf(path=Path(PICTURES) / "privacy.pdf", format="A4")
