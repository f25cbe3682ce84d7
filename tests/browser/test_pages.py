"""Every page, light and dark, wide and narrow, in a real browser under the real policy."""

from collections.abc import Callable

import pytest

from tests.browser.conftest import NARROW, WIDE, Window

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("busy")]
PAGES = [
    "/dashboards/",
    "/dashboards/active-users/",
    "/dashboards/active-users/?range=90d&metric=mau&deployment=cloud",
    "/dashboards/features/",
    "/dashboards/features/export/",
    "/dashboards/endpoints/",
    "/dashboards/errors/",
    "/dashboards/timings/",
    "/dashboards/endpoints/detail/?endpoint=/api/things/{id}&method=GET",
    "/dashboards/retention/",
    "/dashboards/installations/",
    "/dashboards/pipeline/",
    "/dashboards/pipeline/?period=30d",
    "/dashboards/first-event/",
    "/dashboards/active-users/?range=custom&from=2026-01-31&to=2026-02-28",
    "/admin/",
    "/admin/consent/organization/",
]


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_well(window: Callable[..., Window], theme: str, width: int) -> None:
    opened = window(theme=theme, width=width)
    for path in PAGES:
        page = opened.open(path)
        if path.startswith("/dashboards/"):
            opened.assert_well()
        assert opened.complaints == [], path
        assert page.locator(".plot:not(.js-plotly-plot)").count() == 0, path
        assert page.locator(".modebar-btn").count() == 0, path  # the share button is one of these
        assert "Share chart" not in page.content(), path


def test_pages_of_the_signed_out_are_well(window: Callable[..., Window]) -> None:
    opened = window(signed_in=False, width=NARROW, theme="dark")

    opened.open("/accounts/login/")

    opened.assert_well()
