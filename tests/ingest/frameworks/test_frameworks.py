"""Real apps with automatic instrumentation: each request becomes the right row, once, and no more is kept."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from django.conf import settings
from django.db import connections
from pytest_django.plugin import DjangoDbBlocker

from analytics.models import EndpointUsage, FeatureUsage, UserActivity
from consent.pseudonyms import pseudonym
from ingest.mapping import boilerplate
from ingest.models import TrafficCount, UndeclaredName
from tests.ingest.frameworks.running import SHOPS, App, running
from tests.support import grpc_receiver
from tests.support.canaries.search import dumped, in_redis
from tests.support.otlp import a_key, grant
from tests.support.programs import until
from tests.support.receiver import receiver

pytestmark = [pytest.mark.node, pytest.mark.django_db(transaction=True)]

ORGANIZATION = "planted-organization"
REQUESTS = {
    "/api/orders/47114711?email=jane@planted.example": 200,
    "/api/orders/47114711/broken": 500,
    "/pricing": 200,
    "/stream": 200,
    "/mounted/items/47114711": 200,
    "/planted/jane": 404,
}
ORDERS = {
    "fastapi": "/api/orders/{order_id}",
    "fastapi-instrumented": "/api/orders/{order_id}",
    "flask": "/api/orders/<int:order_id>",
    "django": "/api/orders/<int:pk>",
    "express": "/api/orders/:orderId",
}
ITEMS = {
    "fastapi": "/mounted/items/{item_id}",
    "fastapi-instrumented": "/mounted",
    "flask": "/mounted/items/<item_id>",
    "django": "/mounted/items/{pk}/{part}",
    "express": "/mounted/items/:itemId/:part",
}
STREAMS_COUNT = ("fastapi", "fastapi-instrumented", "express")  # as part of the duration
MISTAKES_WORK = ("fastapi-instrumented",)
TELLS_NO_ERRORS = ("express",)  # on the server span
UNKNOWN_PATHS_NAME_NOBODY = ("fastapi", "fastapi-instrumented")  # no dependency runs
HEADERS = {"X-Forwarded-For": "203.0.113.7", "User-Agent": "PlantedAgent/1.0"}
PLANTED = (b"planted", b"jane", b"47114711", b"203.0.113.7", b"PlantedAgent")
every_shop = pytest.mark.parametrize("shop", [shop.name for shop in SHOPS])


class Arrived(NamedTuple):
    """What became of the requests of one app."""

    rows: list[EndpointUsage]  # as they were made
    took: dict[str, float]  # milliseconds of each request, by its path
    counted: dict[str, int]  # records by outcome and reason


class Everything(NamedTuple):
    """What became of the requests of all apps, and every byte that was kept."""

    shops: dict[str, Arrived]
    other_rows: int
    undeclared: set[str]  # what *Pipeline* would show
    kept: list[tuple[str, bytes]]


@pytest.fixture(scope="module")
def everything(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Everything:
    """All apps run at once, and have ended when the first test begins."""
    folder = tmp_path_factory.mktemp("frameworks")
    with django_db_blocker.unblock():
        keys = {shop.name: a_key() for shop in SHOPS}
        took = send(folder, {name: text for name, (text, _) in keys.items()})
        shops = {
            name: Arrived(list(rows_of(f"planted-{name}")), took[name], counted(key.pk))
            for name, (_, key) in keys.items()
        }
        others = FeatureUsage.objects.count() + UserActivity.objects.count()
        undeclared = set(UndeclaredName.objects.values_list("name", flat=True))
        return Everything(shops, others, undeclared, list(kept(folder)))


def send(folder: Path, keys: dict[str, str]) -> dict[str, dict[str, float]]:
    """Start everything, use every app, and stop everything. Returns how long requests took, by app."""
    grant(organization=ORGANIZATION)
    with ExitStack() as receivers:
        http = receivers.enter_context(receiver(folder / "http.log"))
        grpc = receivers.enter_context(grpc_receiver.receiver(folder / "grpc.log"))
        addresses = {"grpc": f"http://{grpc.address}", "http/protobuf": http, "http/json": http}
        with ExitStack() as started:
            apps = [
                started.enter_context(
                    running(shop, folder / shop.name, key=keys[shop.name], receivers=addresses)
                )
                for shop in SHOPS
            ]
            took = {app.name: use(app) for app in apps}
            for app in apps:
                rows, expected = rows_of(f"planted-{app.name}"), len(expected_of(app.name))
                until(
                    lambda: rows.count() >= expected,  # noqa: B023
                    what=f"the rows of {app.name}: {app.log.read_text()[-2000:]}",
                )
    return took


def use(app: App) -> dict[str, float]:
    """Send the requests. Returns how long each took, in milliseconds."""
    user = f"planted-{app.name}"
    grant(user=user)
    until(lambda: app.get("/pricing", HEADERS) == 200, what=f"{app.name}: {app.log.read_text()[-2000:]}")
    took = {}
    for path, status in REQUESTS.items():
        begun = time.perf_counter()
        assert app.get(path, HEADERS | {"X-User": user, "X-Organization": ORGANIZATION}) == status
        took[path] = (time.perf_counter() - begun) * 1000
    assert app.get("/mistaken", HEADERS | {"X-Mistaken": user, "X-Organization": ORGANIZATION}) == 200
    return took


def rows_of(user: str):
    return EndpointUsage.objects.filter(user_id=pseudonym("user", user)).order_by("timestamp")


def counted(key_id: int) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for row in TrafficCount.objects.filter(key_id=key_id, signal="traces"):
        counts[row.reason or row.outcome] += row.count
    return counts


def kept(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Everything that Candid wrote: databases, Redis, logs."""
    for alias in ("default", "analytics"):
        yield from dumped(connections[alias].get_connection_params(), folder / alias)
    yield from in_redis(settings.REDIS_URL)
    for log in ("http.log", "grpc.log"):
        yield log, (folder / log).read_bytes()


def expected_of(shop: str) -> list[tuple[str, int]]:
    """The endpoints and statuses of one app's rows."""
    order = ORDERS[shop]
    rows = [(order, 200), (f"{order}/broken", 500), ("/pricing", 200), ("/stream", 200), (ITEMS[shop], 200)]
    rows += [("{unmatched}", 404)] * (shop not in UNKNOWN_PATHS_NAME_NOBODY)
    return rows + [("/mistaken", 200)] * (shop in MISTAKES_WORK)


@every_shop
def test_each_request_is_one_row_of_whoever_asked(shop: str, everything: Everything) -> None:
    rows = everything.shops[shop].rows
    assert [(row.endpoint, row.status_code) for row in rows] == expected_of(shop)
    assert {row.method for row in rows} == {"GET"}
    assert {row.organization_id for row in rows} == {pseudonym("organization", ORGANIZATION)}
    for row in rows:
        assert row.event_metadata.items() >= {"app_version": "1.2.3", "environment": "production"}.items()
    error = "" if shop in TELLS_NO_ERRORS else "ValueError"
    assert [row.event_metadata.get("error.type", "") for row in rows[:3]] == ["", error, ""]


@every_shop
def test_a_row_has_the_duration_of_its_request_and_not_that_of_a_part(
    shop: str, everything: Everything
) -> None:
    rows, took, _ = everything.shops[shop]
    durations = [row.duration_ms for row in rows]
    # A span may end a moment after the client has its answer.
    assert all(0 < duration < of + 500 for duration, of in zip(durations, took.values(), strict=False))
    order, _, _, stream, *_ = durations
    assert order >= 30
    if shop in STREAMS_COUNT:
        assert stream >= 30


@every_shop
def test_whoever_is_set_on_another_span_is_lost(shop: str, everything: Everything) -> None:
    """What `docs/clients/identity.md` says of mistakes: such a request names nobody, as the first one did."""
    counts = everything.shops[shop].counted
    mistaken, unknown = shop not in MISTAKES_WORK, shop in UNKNOWN_PATHS_NAME_NOBODY
    assert counts["no_consent"] + counts["names_nobody"] == 1 + mistaken + unknown
    assert counts["accepted"] == len(everything.shops[shop].rows)
    assert counts["not_an_event"] > 0 == counts["unroutable"]


def test_no_name_of_boilerplate_buries_those_that_somebody_chose(everything: Everything) -> None:
    assert {name for name in everything.undeclared if not boilerplate.is_group(name)} == set()


def test_nothing_of_anybody_is_kept(everything: Everything) -> None:
    found = [
        (place, content[:200])
        for place, content in everything.kept
        for planted in PLANTED
        if planted in content
    ]
    assert found == []
    assert sum(b"/pricing" in content for _, content in everything.kept) >= len(SHOPS)
    assert everything.other_rows == 0
