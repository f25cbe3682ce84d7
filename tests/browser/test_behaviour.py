"""What the pages do: sign-in, theme, filters, menus, sorting, and all of it without a script."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NARROW, Window

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("busy")]


def test_signing_in_and_out(window: Callable[..., Window]) -> None:
    opened = window(signed_in=False)
    opened.open("/dashboards/active-users/?range=7d")
    opened.page.fill("#id_username", "mira")
    opened.page.fill("#id_password", "mira-mira")
    opened.page.click("button[type=submit]")

    expect(opened.page).to_have_url(re.compile(r"/dashboards/active-users/\?range=7d$"))

    opened.wait_for_plots()
    opened.page.click("text=Sign out")

    expect(opened.page).to_have_url(re.compile("/accounts/login/"))
    opened.assert_well()


def test_the_theme_is_kept_by_a_cookie_and_redraws_the_plot(window: Callable[..., Window]) -> None:
    opened = window()
    page = opened.open("/dashboards/active-users/")
    paper = page.locator(".plot .main-svg").first.evaluate("e => e.style.background")

    page.click(".theme button[value=dark]")
    opened.wait_for_plots()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.wait_for_timeout(300)
    darker = page.locator(".plot .main-svg").first.evaluate("e => e.style.background")
    page.reload()

    assert paper != darker
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    cookie = next(one for one in page.context.cookies() if one["name"] == "candid_theme")
    assert (cookie["value"], cookie["sameSite"]) == ("dark", "Lax")

    page.click(".theme button[value=auto]")
    page.reload()

    expect(page.locator("html[data-theme]")).to_have_count(0)
    opened.assert_well()


def test_a_filter_swaps_the_report_and_the_address(window: Callable[..., Window]) -> None:
    opened = window()
    page = opened.open("/dashboards/active-users/")

    page.focus("#deployment")
    page.select_option("#deployment", "cloud")
    page.wait_for_url(re.compile("deployment=cloud"))
    opened.wait_for_plots()

    expect(page.locator(".scope")).to_contain_text("opted-in users, cloud")
    expect(page.locator(".plot .main-svg").first).to_be_visible()
    href = page.locator("#nav a:has-text('Retention')").get_attribute("href")
    assert href == "/dashboards/retention/?deployment=cloud"
    assert page.evaluate("document.activeElement.name") == "deployment"

    page.uncheck("input[type=checkbox][name=compare]")
    expect(page.locator(".scope")).not_to_contain_text("compared with")
    page.go_back()
    page.wait_for_url(re.compile(r"deployment=cloud.*compare=1|compare=1.*deployment=cloud"))
    expect(page.locator(".scope")).to_contain_text("compared with")
    opened.assert_well()


def test_the_export_menu_opens_and_closes_and_makes_a_picture(window: Callable[..., Window]) -> None:
    opened = window()
    page = opened.open("/dashboards/active-users/")

    page.click("details.menu summary")
    expect(page.locator(".menu-body")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".menu-body")).to_be_hidden()
    page.click("details.menu summary")
    with page.expect_download() as download:
        page.click("[data-act=png]")

    assert download.value.suggested_filename == "active-users.png"
    opened.assert_well()


def test_a_column_sorts(window: Callable[..., Window]) -> None:
    opened = window()
    page = opened.open("/dashboards/endpoints/")

    page.click("th a:has-text('p95') >> nth=0")
    opened.wait_for_plots()

    expect(page.locator("th[aria-sort=descending]")).to_have_text("p95")
    first = page.locator("table.ept tbody tr").first
    expect(first).to_contain_text("long")
    opened.assert_well()


def test_the_narrow_navigation_opens_and_closes(window: Callable[..., Window]) -> None:
    opened = window(width=NARROW)
    page = opened.open("/dashboards/features/")

    expect(page.locator("#nav")).to_be_hidden()
    page.click(".topbar button")
    expect(page.locator("#nav")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#nav")).to_be_hidden()
    expect(page.locator(".topbar button")).to_be_focused()
    opened.assert_well()


def test_the_skip_link_is_first(window: Callable[..., Window]) -> None:
    page = window().open("/dashboards/")

    page.keyboard.press("Tab")

    expect(page.locator(".skip")).to_be_focused()


def test_hovering_a_plot_breaks_no_rule(window: Callable[..., Window]) -> None:
    opened = window()
    page = opened.open("/dashboards/active-users/")

    page.locator(".plot .nsewdrag").first.hover(position={"x": 300, "y": 100})

    expect(page.locator(".plot .hoverlayer .legend, .plot .hoverlayer .hovertext").first).to_be_visible()
    opened.assert_well()


def test_without_a_script_the_pages_still_filter(window: Callable[..., Window]) -> None:
    page = window(script=False).page
    address = page.url.split("/dashboards/")[0]
    page.goto(address + "/dashboards/active-users/")

    page.select_option("select[name=deployment]", "cloud")
    page.click("text=Apply")

    expect(page.locator(".scope")).to_contain_text("opted-in users, cloud")
    expect(page.locator("table tbody tr").first).to_be_visible()


def test_the_arrival_panel_asks_again(window: Callable[..., Window]) -> None:
    opened = window()
    page = opened.open("/dashboards/first-event/")

    with page.expect_response(re.compile("/first-event/arrivals/"), timeout=8000) as answer:
        pass

    assert answer.value.status == 200
    page.wait_for_timeout(200)
    expect(page.locator("#arrivals")).to_have_count(1)
    opened.assert_well()


def test_a_refused_filter_is_said_on_the_page(window: Callable[..., Window]) -> None:
    opened = window()
    page = opened.open("/dashboards/active-users/?range=custom&from=2026-02-30")

    expect(page.locator("[role=alert]")).to_contain_text("must be a date")
    opened.complaints = [one for one in opened.complaints if "400 (Bad Request)" not in one]
    opened.assert_well()
