"""A bounded pool of threads for work that blocks: databases, decoding. The event loop awaits its results.

Cheaper than `run_in_executor`. When the queue is full, work is refused at once instead of waiting for longer
than its sender does. A thread keeps its database connections from one piece of work to the next.
"""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar, TypeVarTuple, Unpack

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class Busy(Exception):
    """The queue is full: the sender is asked to try again in a few seconds."""


class Pool:
    """A few threads, started as they are needed, with a bounded queue."""

    def __init__(self, *, name: str, threads: int, waiting: int, before: Callable[[], None]) -> None:
        """`waiting` is how much work may wait for a thread; `before` runs on the thread before each piece."""
        self._name, self._threads, self._most = name, threads, threads + waiting
        self._before = before
        self._work: SimpleQueue[Any] = SimpleQueue()
        self._under_way = 0  # waiting or running; changed on the event loop only
        self._started: list[threading.Thread] = []

    def run(
        self, work: Callable[[Unpack[Arguments]], Result], *arguments: *Arguments
    ) -> asyncio.Future[Result]:
        """Run `work` on a thread. Called on the event loop. Raises `Busy`."""
        if self._under_way >= self._most:
            raise Busy
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        if self._under_way >= len(self._started) < self._threads:
            self._start()
        self._under_way += 1
        self._work.put((loop, future, work, arguments))
        return future

    def stop(self) -> None:
        """End the threads, after the work they have begun."""
        for _ in self._started:
            self._work.put(None)
        for thread in self._started:
            thread.join(1)

    def _start(self) -> None:
        thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
        self._started.append(thread)
        thread.start()

    def _serve(self) -> None:
        while (item := self._work.get()) is not None:
            loop, future, work, arguments = item
            result, problem = None, None
            try:
                self._before()
                result = work(*arguments)
            except BaseException as error:  # raised where the result is awaited
                problem = error
            loop.call_soon_threadsafe(self._done, future, result, problem)
            del item, work, arguments, future, result, problem  # a waiting thread must not hold a body

    def _done(self, future: asyncio.Future[Any], result: Any, problem: BaseException | None) -> None:
        self._under_way -= 1
        if future.cancelled():
            return
        if problem is None:
            future.set_result(result)
        else:
            future.set_exception(problem)
