"""The gRPC server's options and readiness, without a process of its own."""

import pytest
from django.db import connections
from pytest_django import Settings

from ingest.grpc.server import databases_answer, options
from tests.support.away import away

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("alias", ["default", "analytics"])
def test_it_is_ready_while_both_databases_answer(alias: str) -> None:
    assert databases_answer()
    with away(alias):
        assert not databases_answer()
    assert databases_answer()


def test_a_connection_that_broke_is_closed_and_made_anew() -> None:
    connections["default"].ensure_connection()
    connections["default"].connection.close()
    assert databases_answer()


def test_messages_are_bounded_and_left_compressed(settings: Settings) -> None:
    settings.OTLP_MAX_BODY_BYTES = 1234
    chosen = dict(options(reuse_port=True))
    assert chosen["grpc.max_receive_message_length"] == 1234
    assert (chosen["grpc.per_message_decompression"], chosen["grpc.so_reuseport"]) == (0, 1)
    assert dict(options(reuse_port=False))["grpc.so_reuseport"] == 0
    assert chosen["grpc.http2.min_ping_interval_without_data_ms"] < 1000  # clients ask every second
