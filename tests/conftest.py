"""What every test may rely on: both databases, and a browser where one is installed."""

import os
import shutil

import pytest

DATABASES = ["default", "analytics"]
DATABASE_FIXTURES = {"db", "transactional_db", "live_server", "admin_client", "admin_user"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Open both databases to every test that opens one: most of what we do touches both."""
    for item in items:
        marker = item.get_closest_marker("django_db")
        if marker is None and not DATABASE_FIXTURES & set(getattr(item, "fixturenames", ())):
            continue
        options = {"databases": DATABASES} | (marker.kwargs if marker else {})
        item.add_marker(pytest.mark.django_db(*(marker.args if marker else ()), **options), append=False)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of an installed Chromium; without one the test is skipped, or fails where CI=1."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        reason = "no Chromium is installed (apt-get install chromium, or set CHROMIUM)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path
