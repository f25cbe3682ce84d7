"""Names are what anybody with a key writes: pages show them as they are, whatever they look like."""

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.utils.http import urlencode
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from analytics.report_days import report_today
from tests.browser.conftest import PASSWORD, Window
from tests.dashboards.conftest import days_ago, feature_used, people, requested
from tests.support.events import installation
from tests.support.rolling import roll_up

pytestmark = pytest.mark.browser

DRAWN = (  # the five most used ones are in the figure
    "<img src=x onerror=alert(1)>",
    '<a href="https://evil.example/">click</a>',
    "<b>bold</b> & &lt;i&gt;",
    "var(--ink)",
    "%{customdata} $x$",
)
OTHERS = (
    "javascript:alert(1)",
    "reports/weekly",
    "a/../../admin",
    "..",
    "/",
    "reports/weekly/",
    "https://evil.example/",
    "100%/{id}?x#y",
    "detail",
    "\"quoted'\\name",
)


@pytest.fixture
def _hostile(live_server: LiveServer) -> None:
    User.objects.create_superuser("mira", password=PASSWORD)
    for number, name in enumerate((*DRAWN, *OTHERS)):
        for days in range(4):
            feature_used(*people(30 - number), feature=name, at=days_ago(days))
    requested(*people(9), endpoint="/<b>x</b>/&amp;/..", at=days_ago(1))
    for number in range(9):
        installation(number, [report_today(), days_ago(1).date()], version="<b>9</b>&amp;")
    roll_up()


@pytest.mark.usefixtures("_hostile")
def test_hostile_names_are_text_in_lists_figures_and_details(window: Callable[..., Window]) -> None:
    opened = window()
    page = opened.open("/dashboards/features/")
    links = page.locator("tbody th a")
    addresses = {link.inner_text(): link.get_attribute("href") for link in links.all()}
    assert set(addresses) == {*DRAWN, *OTHERS}
    assert {page.locator("figcaption span").nth(i).inner_text() for i in range(5)} == set(DRAWN)

    page.locator(".plot").hover(position={"x": 300, "y": 100})
    hover = page.locator(".hoverlayer")
    expect(hover).to_contain_text(DRAWN[0])
    texts = hover.locator("text").all_text_contents()
    assert texts[1:] == [f"{name} : 0" for name in DRAWN]
    assert hover.locator("a").count() == 0

    for name, address in addresses.items():
        page = opened.open(str(address))
        expect(page.locator("h1")).to_have_text(name)
        expect(page.locator("h1 code")).to_have_count(1)
        expect(page.locator("#report")).not_to_contain_text("No use of this feature")
    # The name stays when a filter changes, also where it is in the query.
    page = opened.open("/dashboards/features/detail/?" + urlencode({"feature": ".."}))
    page.select_option("#deployment", "cloud")
    page.wait_for_url(re.compile("deployment=cloud"))
    expect(page.locator("h1")).to_have_text("..")
    expect(page.locator("#report")).not_to_contain_text("No use of this feature")
    opened.assert_well()


@pytest.mark.usefixtures("_hostile")
def test_versions_and_endpoints_are_text_too(window: Callable[..., Window]) -> None:
    opened = window()
    page = opened.open("/dashboards/installations/")
    expect(page.locator(".plot .annotation-text").first).to_have_text("<b>9</b>&amp;")
    page = opened.open("/dashboards/endpoints/")
    page.locator("tbody th a").first.click()
    expect(page.locator("h1")).to_contain_text("/<b>x</b>/&amp;/..")
    opened.assert_well()
