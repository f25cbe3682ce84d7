"""Single attributes: flags, durations, status codes, deployment types, at their limits."""

from typing import Any

import msgspec
import pytest

from ingest.mapping import readings
from tests.support.otlp import internal


@pytest.mark.parametrize(
    ("sent", "milliseconds"),
    [
        (0, 0.0),
        ("12.5", 12.5),
        (10**9, 1e9),
        (10**9 + 1, None),
        (-0.001, None),
        (float("nan"), None),
        (True, None),
        ("soon", None),
    ],
)
def test_a_duration_is_a_number_of_up_to_eleven_days(sent: Any, milliseconds: float | None) -> None:
    assert readings.duration(sent) == milliseconds


@pytest.mark.parametrize(
    ("nanoseconds", "milliseconds"),
    [(1_500_000, 1.5), (0, 0.0), (-1, None), (10**15, 1e9), (10**15 + 10**6, None)],
)
def test_a_span_has_a_duration_of_its_own(nanoseconds: int, milliseconds: float | None) -> None:
    span = internal()
    assert readings.own_duration(msgspec.structs.replace(span, end=span.time + nanoseconds)) == milliseconds
    assert readings.own_duration(msgspec.structs.replace(span, time=0, end=0)) is None


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (100, 100),
        (99, None),
        (599, 599),
        (600, None),
        ("404", 404),
        (200.0, 200),
        (200.5, None),
        (True, None),
    ],
)
def test_a_status_code_is_one_of_http(sent: Any, code: int | None) -> None:
    assert readings.status_code(sent) == code


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        ({"deployment.type": " Cloud "}, "cloud"),
        ({"deployment_type": "SELF_HOSTED"}, "self-hosted"),
        ({"deployment.environment.name": "selfhosted"}, "self-hosted"),
        ({"deployment.environment": "self-hosted"}, "self-hosted"),
        ({"deployment.type": "production", "deployment_type": "cloud"}, "cloud"),
        ({"deployment.type": "cloud", "deployment.environment": "self-hosted"}, "cloud"),
        ({"deployment.type": ["cloud"]}, ""),
        ({}, ""),
    ],
)
def test_a_deployment_type_is_cloud_self_hosted_or_not_said(attributes: dict[str, Any], found: str) -> None:
    assert readings.deployment_type(attributes) == found


@pytest.mark.parametrize("sent", ["0", " False ", "no", "OFF", "", 0, 0.0, False])
def test_only_a_plain_no_is_no(sent: Any) -> None:
    assert not readings.is_yes(sent)
    assert not readings.asks_not_to_be_tracked({"telemetry.do_not_track": sent})


@pytest.mark.parametrize("sent", ["1", "yes", "perhaps", 1, 0.5, True, ["x"], {"a": 1}])
def test_everything_else_is_yes(sent: Any) -> None:
    assert readings.is_yes(sent)
    assert readings.asks_not_to_be_tracked({"telemetry.do_not_track": sent})


def test_a_signal_without_a_value_counts_but_no_signal_does_not() -> None:
    assert readings.asks_not_to_be_tracked({"telemetry.do_not_track": None})
    assert not readings.asks_not_to_be_tracked({"do_not_track": True})
    assert not readings.is_yes(None)
