"""Threads for what blocks: the databases, decoding. An event loop hands them work and awaits the result.

Leaner than `run_in_executor`, and bounded: what does not get a thread soon is refused, not queued for
longer than its sender waits. A thread keeps its database connections from one piece of work to the next.
"""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar, TypeVarTuple, Unpack

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class Busy(Exception):
    """Too much waits already: the sender is to come again in a few seconds."""


class Pool:
    """A few threads, started when there is work for them, and a bounded queue before them."""

    def __init__(self, *, name: str, threads: int, waiting: int, before: Callable[[], None]) -> None:
        """`waiting`: how many may wait for a thread; `before` runs on the thread before each work."""
        self._name, self._threads, self._most = name, threads, threads + waiting
        self._before = before
        self._work: SimpleQueue[Any] = SimpleQueue()
        self._under_way = 0  # waiting or at work; changed on the loop only
        self._started: list[threading.Thread] = []

    def run(
        self, work: Callable[[Unpack[Arguments]], Result], *arguments: *Arguments
    ) -> asyncio.Future[Result]:
        """Have a thread do it. Called on the loop. Raises `Busy`."""
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
        """End the threads, after what they are at."""
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
            except BaseException as error:  # handed to the one who awaits it
                problem = error
            loop.call_soon_threadsafe(self._done, future, result, problem)
            del item, work, arguments, future, result, problem  # a waiting thread holds no body

    def _done(self, future: asyncio.Future[Any], result: Any, problem: BaseException | None) -> None:
        self._under_way -= 1
        if future.cancelled():
            return
        if problem is None:
            future.set_result(result)
        else:
            future.set_exception(problem)
