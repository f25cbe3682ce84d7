"""The pool: bounded, started as needed, and nothing is left over from one piece of work to the next."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator

import pytest

from ingest.load.threads import Busy, Pool


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool(name="tests", threads=2, waiting=1, before=lambda: None)
    yield pool
    pool.stop()


def run(scene: Callable[[], Awaitable[object]]) -> object:
    return asyncio.run(scene())  # type: ignore[arg-type]


def test_as_many_wait_as_may_and_the_next_is_sent_back(pool: Pool) -> None:
    go = threading.Event()

    async def scene() -> list[object]:
        futures = [pool.run(go.wait, 10) for _ in range(3)]
        with pytest.raises(Busy):
            pool.run(go.wait, 10)
        go.set()
        await asyncio.gather(*futures)
        return [await pool.run(str, 5)]  # its place is free again

    assert run(scene) == ["5"]


def test_threads_are_started_when_there_is_work_for_them(pool: Pool) -> None:
    async def scene() -> list[int]:
        numbers = [len(pool._started)]
        for _ in range(3):
            await pool.run(str, 1)
            numbers.append(len(pool._started))
        await asyncio.gather(*(pool.run(str, 1) for _ in range(3)))
        return [*numbers, len(pool._started)]

    assert run(scene) == [0, 1, 1, 1, 2]


def test_an_exception_is_raised_where_the_work_is_awaited_and_the_thread_lives(pool: Pool) -> None:
    async def scene() -> object:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await pool.run(lambda: 1 / 0)
        return await pool.run(str, 7)

    assert run(scene) == "7"


def test_work_whose_waiter_has_gone_gives_its_place_back(pool: Pool) -> None:
    go = threading.Event()

    async def scene() -> object:
        futures = [pool.run(go.wait, 10) for _ in range(3)]
        for future in futures:
            future.cancel()
        go.set()
        while pool._under_way:
            await asyncio.sleep(0)
        return await pool.run(str, 1)

    assert run(scene) == "1"


def test_something_is_done_before_each_piece_of_work_on_its_own_thread() -> None:
    seen: list[int] = []
    pool = Pool(name="tests", threads=1, waiting=5, before=lambda: seen.append(threading.get_ident()))

    async def scene() -> object:
        return [await pool.run(threading.get_ident) for _ in range(2)]

    assert run(scene) == seen
    pool.stop()
    assert not any(thread.is_alive() for thread in pool._started)
