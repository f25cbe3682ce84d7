"""What becomes of each attribute, as a dry run reports it."""

from typing import Any

import pytest

from consent.registry.registry import current_registry
from ingest.mapping.fates import NOT_SHOWN, Fates, fates
from ingest.mapping.name_limits import RouteBook
from ingest.mapping.rows import RowMaker
from tests.support.otlp import KEPT_FROM, NOW, record

REGISTRY = current_registry()


def of(name: str = "", *, resource: dict[str, Any] | None = None, **more: Any) -> Fates:
    sent = record(name, resource=resource, **more)
    maker = RowMaker(
        organization="",
        do_not_track=False,
        now=NOW,
        kept_from=KEPT_FROM,
        registry=REGISTRY,
        routes=RouteBook(REGISTRY.endpoints),
    )
    return fates(sent, maker.prepare(sent), REGISTRY)


def reasons(found: Fates) -> dict[str, str]:
    return {one["attribute"]: one["reason"] for one in found.dropped}


def test_of_several_ids_of_a_kind_one_is_hashed() -> None:
    own = {"feature.name": "x", "user.id": "null", "user_id": "second", "identity": "third"}
    found = of(attributes=own, resource={"user.id": "theirs", "enduser.id": "more", "session.id": "s"})
    assert found.hashed == {"user_id": "user_id"}
    assert reasons(found) == {
        "user.id": "another",
        "identity": "another",
        "enduser.id": "another",
        "session.id": "not_here",
    }


@pytest.mark.parametrize(
    ("name", "attributes", "hashed"),
    [
        (
            "auth.login",
            {"user.id": "u1", "session.id": "s1"},
            {"user.id": "user_id", "session.id": "session_id"},
        ),
        ("a.b", {"session.id": "s1", "install_id": "i1"}, {"session.id": "user_id", "install_id": "user_id"}),
        ("a.b", {"user.id": "u1", "install_id": "i1"}, {"user.id": "user_id"}),
        ("base_telemetry.heartbeat", {"install_id": "i1", "user.id": "u1"}, {"install_id": "pseudonym"}),
    ],
)
def test_an_id_goes_to_the_column_of_its_table(
    name: str, attributes: dict[str, str], hashed: dict[str, str]
) -> None:
    assert of(name, attributes=attributes).hashed == hashed


def test_a_declared_value_is_stored_once_and_told_under_the_name_it_was_sent_by() -> None:
    found = of("a.b", attributes={"service.version": "1.0", "app_version": "2.0", "platform": "Linux"})
    assert found.stored == {"app_version": "app_version", "platform": "platform"}
    assert reasons(found) == {"service.version": "another"}


def test_two_truth_values_are_told_apart() -> None:
    found = of("a.b", resource={"metadata.success": False}, attributes={"success": True})
    assert (found.stored, reasons(found)) == ({"success": "success"}, {"metadata.success": "another"})


def test_what_repeats_an_id_is_told_as_private() -> None:
    found = of("a.b", attributes={"user.id": "5.10.0", "app_version": "5.10.0"})
    assert reasons(found) == {"app_version": "private"}


def test_what_decides_about_columns_was_read() -> None:
    http = {"http.request.method": "GET", "http.route": "/a", "http.response.status_code": 200}
    found = of(attributes=http | {"duration_ms": 5, "deployment.type": "cloud", "internal": True})
    assert set(found.read) == {*http, "duration_ms", "deployment.type", "internal"}
    base = of("base_telemetry.heartbeat", attributes={"install_id": "i", "http.route": "/a", "seats": 4})
    assert reasons(base) == {"http.route": "boilerplate", "seats": "undeclared"}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain.name", "plain.name"),
        ("x" * 64, "x" * 64),
        ("x" * 65, NOT_SHOWN),
        ("for.janedoe", NOT_SHOWN),
        ("jane@example.com", NOT_SHOWN),
        ("project_name", NOT_SHOWN),
        ("number1234", NOT_SHOWN),
    ],
)
def test_a_name_that_may_be_personal_is_not_shown(name: str, shown: str) -> None:
    found = of("a.b", attributes={"user.id": "janedoe", name: "x"})
    assert reasons(found) == {shown: "undeclared"}
