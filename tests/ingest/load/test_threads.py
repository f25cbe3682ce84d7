"""The pool: bounded, started as needed, and nothing is left over from one piece of work to the next."""

import asyncio
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest

from ingest.load import short_turns
from ingest.load.threads import Busy, CallerBusy, Pool


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


# --- Turns ------------------------------------------------------------------------------------------
class Scene:
    """Pieces of work that note when they begin, and end when they are told to."""

    def __init__(self, pool: Pool) -> None:
        self.pool, self.begun, self.go = pool, list[str](), threading.Semaphore(0)

    def ask(self, who: str, what: str, *, is_large: bool = False) -> asyncio.Future[str]:
        return self.pool.run_for(who, self._work, what, is_large=is_large)

    def _work(self, what: str) -> str:
        self.begun.append(what)
        assert self.go.acquire(timeout=10)
        return what

    async def until_begun(self, number: int) -> list[str]:
        async with asyncio.timeout(10):
            while len(self.begun) < number:
                await asyncio.sleep(0.001)
        return self.begun

    def end_all(self) -> None:
        self.go.release(1000)


def with_pool(scene: Callable[[Scene], Awaitable[object]], **bounds: int) -> object:
    options = {"threads": 1, "waiting": 100} | bounds
    pool = Pool(name="tests", before=lambda: None, **options)
    try:
        return run(lambda: scene(Scene(pool)))
    finally:
        pool.stop()


def test_callers_take_turns_however_much_one_of_them_has_waiting() -> None:
    async def scene(at: Scene) -> object:
        futures = [at.ask("greedy", f"greedy {number}") for number in range(6)]
        futures += [at.ask("modest", f"modest {number}") for number in range(2)]
        futures += [at.ask("third", "third 0")]
        at.end_all()
        await asyncio.gather(*futures)
        return at.begun

    assert with_pool(scene) == [
        "greedy 0", "greedy 1", "modest 0", "third 0", "greedy 2", "modest 1", "greedy 3", "greedy 4",
        "greedy 5",
    ]  # fmt: skip


def test_one_caller_has_all_threads_while_nobody_comes_and_spare_ones_are_for_others() -> None:
    async def scene(at: Scene) -> object:
        futures = [at.ask("greedy", "greedy") for _ in range(5)]
        assert await at.until_begun(2) == ["greedy", "greedy"]
        futures.append(at.ask("modest", "modest"))
        assert await at.until_begun(3) == ["greedy", "greedy", "modest"]
        futures += [at.ask("modest", "modest"), at.ask("third", "third")]
        assert at.pool._running == 3
        at.end_all()
        await asyncio.gather(*futures)
        return at.begun[3]

    assert with_pool(scene, threads=2, spare=1) in ("third", "greedy", "modest")


def test_what_has_waited_too_long_is_sent_back_and_never_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.load.threads.PATIENCE", 0.05)

    async def scene(at: Scene) -> object:
        first, second = at.ask("one", "first"), at.ask("one", "second")
        with pytest.raises(Busy):
            await second
        at.end_all()
        return [await first, await at.ask("one", "third"), at.begun, at.pool._under_way, at.pool._callers]

    assert with_pool(scene) == ["first", "third", ["first", "third"], 0, {}]


def test_a_full_queue_takes_from_whoever_has_most_waiting() -> None:
    async def scene(at: Scene) -> object:
        greedy = [at.ask("greedy", f"greedy {number}") for number in range(4)]
        modest = at.ask("modest", "modest")
        with pytest.raises(Busy):
            await greedy[3]
        with pytest.raises(Busy):
            at.ask("greedy", "greedy 4")
        at.end_all()
        return [await modest, *await asyncio.gather(*greedy[:3])]

    assert with_pool(scene, waiting=3) == ["modest", "greedy 0", "greedy 1", "greedy 2"]


def test_a_caller_with_too_much_under_way_is_told_so_and_others_are_not() -> None:
    async def scene(at: Scene) -> object:
        futures = [at.ask("greedy", "greedy") for _ in range(2)]
        with pytest.raises(CallerBusy):
            at.ask("greedy", "greedy")
        futures.append(at.ask("modest", "modest"))
        at.end_all()
        await asyncio.gather(*futures)
        return await at.ask("greedy", "again")

    assert with_pool(scene, per_caller=2) == "again"


def test_large_work_is_done_one_piece_at_a_time_and_small_work_passes_it() -> None:
    async def scene(at: Scene) -> object:
        futures = [at.ask("a", "large", is_large=True), at.ask("b", "other large", is_large=True)]
        futures.append(at.ask("c", "small"))
        begun = list(await at.until_begun(2))
        at.end_all()
        await asyncio.gather(*futures)
        return [begun, at.begun[2]]

    assert with_pool(scene, threads=3) == [["large", "small"], "other large"]


def test_turns_of_computing_threads_are_short_only_while_a_spare_thread_works() -> None:
    usual = sys.getswitchinterval()

    async def scene(at: Scene) -> object:
        first = at.ask("greedy", "greedy")
        seen = [sys.getswitchinterval()]
        second = at.ask("modest", "modest")
        seen.append(sys.getswitchinterval())
        at.end_all()
        await asyncio.gather(first, second)
        return [*seen, sys.getswitchinterval()]

    assert with_pool(scene, spare=1) == [usual, pytest.approx(short_turns.SHORT), usual]


def test_work_that_nobody_awaits_any_more_does_not_begin() -> None:
    async def scene(at: Scene) -> object:
        first, second = at.ask("one", "first"), at.ask("one", "second")
        second.cancel()
        at.end_all()
        return [await first, await at.ask("one", "third"), at.begun]

    assert with_pool(scene) == ["first", "third", ["first", "third"]]


def test_asking_takes_as_long_behind_twenty_thousand_as_behind_nobody() -> None:
    """Nothing looks through a queue while it holds the lock."""

    async def scene(at: Scene) -> object:
        futures = []

        def thousand() -> float:
            began = time.thread_time()
            futures.extend(at.ask("greedy", "") for _ in range(1000))
            return time.thread_time() - began

        times = [thousand() for _ in range(20)]
        for future in futures:
            future.cancel()
        at.end_all()
        while at.pool._under_way:
            await asyncio.sleep(0.001)
        return min(times[-5:]) / min(times[:5])

    assert with_pool(scene, waiting=20_000) < 3  # type: ignore[operator]
