"""How much a gRPC process takes on, bound by bound, and what a cancelled call keeps."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connections

from analytics.models import FeatureUsage
from consent.gate import barrier
from consent.models import Key
from consent.pseudonyms import pseudonym
from ingest.errors import Failure
from ingest.grpc import admission
from ingest.grpc.admission import Admission
from ingest.grpc.call import ExportCall
from ingest.grpc.service import ExportService
from tests.support.otlp import a_key, encoded, grant, span, traces


def busy(enter: Any) -> bool:
    try:
        with enter:
            return False
    except Failure as failure:
        return (failure.code, failure.reason, failure.headers) == (503, "busy", {"Retry-After": "1"})


def test_calls_are_counted_and_give_their_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "CALLS", 2)
    bounds = Admission(max_message=100)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(bounds.call())
        assert busy(bounds.call())
    assert bounds.calls == 0
    with pytest.raises(ZeroDivisionError), bounds.call():
        _ = 1 / 0
    assert bounds.calls == 0


def test_two_of_the_largest_messages_fit_at_once() -> None:
    bounds = Admission(max_message=100)
    with bounds.memory(100, 1), bounds.memory(100, 2):
        assert busy(bounds.memory(1, 3))
        assert not busy(bounds.memory(0, 3))
    assert bounds.bytes == 0
    with pytest.raises(ZeroDivisionError), bounds.memory(7, 1):
        _ = 1 / 0
    assert bounds.bytes == 0


def test_one_key_holds_three_quarters_of_the_memory_at_most() -> None:
    bounds = Admission(max_message=100)
    with bounds.memory(150, 1):
        assert busy(bounds.memory(1, 1))
        with bounds.memory(50, 2):
            assert bounds.bytes == 200
    assert (bounds.bytes, bounds._of_key) == (0, {})


def test_a_message_that_does_not_arrive_in_time_loses_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "ARRIVAL_LIMIT", 0.02)
    monkeypatch.setattr(admission, "ARRIVALS", 1)
    bounds = Admission(max_message=100)

    async def arrive(seconds: float) -> int:
        try:
            async with bounds.arrival():
                await asyncio.sleep(seconds)
        except Failure as failure:
            return failure.code
        return 200

    async def scene() -> list[int]:
        return [await arrive(10), await arrive(0)]

    assert asyncio.run(scene()) == [408, 200]


class Context:
    """A call's context with one message, as grpcio would provide it."""

    def __init__(self, text: str, message: bytes) -> None:
        self._metadata, self._message = [("x-api-key", text)], message

    def invocation_metadata(self) -> list[tuple[str, str]]:
        return self._metadata

    async def read(self) -> bytes:
        return self._message

    def done(self) -> bool:
        return False


@contextmanager
def no_ingest_of(user: str) -> Iterator[psycopg.Connection]:
    """Hold the barrier of a user, as a withdrawal does."""
    parameters = connections["analytics"].get_connection_params()
    with psycopg.connect(**parameters) as other:
        bucket = barrier.bucket(pseudonym("user", user))
        other.execute("SELECT pg_advisory_xact_lock(%s, %s)", [barrier.LOCK_SPACE, bucket])
        yield other


@pytest.mark.django_db(transaction=True)
def test_a_call_cancelled_in_the_middle_of_its_store_holds_its_thread_and_memory_until_it_ends() -> None:
    grant(user="u1")
    text, _ = a_key()
    message = encoded(traces(span(1, attributes={"user.id": "u1", "feature.name": "export"})))

    async def scene() -> list[tuple[int, bool, int]]:
        service = ExportService(threads=1)

        def held() -> tuple[int, bool, int]:
            return service._admission.bytes, service._pool._running == 1, len(service._storing)

        with no_ingest_of("u1") as other:
            call = ExportCall("traces", Context(text, message))  # type: ignore[arg-type]
            exporting = asyncio.create_task(service._export(call))
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while not other.execute(waiting).fetchall()[0][0]:
                await asyncio.sleep(0.01)
            exporting.cancel()
            await asyncio.wait([exporting])
            during = held()
        await service._pool.run(connections.close_all)
        await service.finish()
        return [during, held()]

    assert asyncio.run(scene()) == [(len(message), True, 1), (0, False, 0)]
    assert FeatureUsage.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_keys_changed_rate_holds_from_the_next_call_on() -> None:
    grant(user="u1")
    text, key = a_key()

    async def scene() -> list[Any]:
        service = ExportService(threads=1)
        for number in (1, 2):
            await service._export(ExportCall("traces", Context(text, b"")))  # type: ignore[arg-type]
            if number == 1:
                await asyncio.to_thread(change)
        known = service._recent_keys.get({"authorization": "", "x-api-key": text})
        await service._pool.run(connections.close_all)
        await service.finish()
        return [known and known.requests_per_second]

    def change() -> None:
        Key.objects.filter(pk=key.pk).update(requests_per_second=7)
        connections.close_all()

    assert asyncio.run(scene()) == [7]
