"""A bounded pool of threads for work that blocks: databases, decoding. The event loop awaits its results.

Callers (keys, clients) take turns, however much one of them has waiting. One caller may hold all ordinary
threads while nobody else comes; the spare ones are for those who hold none. Work is sent back when the queue
is full, and when it has waited longer than `PATIENCE`: a sender gives up after ten seconds, and sends again.
A thread keeps its database connections from one piece of work to the next.
"""

import asyncio
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from queue import SimpleQueue
from typing import Any, TypeVar, TypeVarTuple, Unpack

from ingest.load import short_turns

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

PATIENCE = 5.0  # seconds that work may wait for a thread


class Busy(Exception):
    """The work would wait too long: the sender is asked to try again in a few seconds."""


class CallerBusy(Busy):
    """This caller has too much under way already."""


class _Work:
    """One piece of work, from its arrival to its result."""

    __slots__ = ("arguments", "future", "is_large", "loop", "timer", "who", "work")

    def __init__(
        self, who: Hashable, work: Callable[..., Any], arguments: tuple[Any, ...], is_large: bool
    ) -> None:
        self.who, self.work, self.arguments, self.is_large = who, work, arguments, is_large
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.timer: asyncio.TimerHandle | None = None

    def done(self, result: Any, problem: BaseException | None) -> None:
        """Called on the event loop."""
        if self.timer:
            self.timer.cancel()
        if self.future.done():  # cancelled
            return
        if problem is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(problem)


class _Caller:
    """What one caller has waiting, and how many threads it holds."""

    __slots__ = ("running", "waiting")

    def __init__(self) -> None:
        self.running = 0
        self.waiting: OrderedDict[_Work, None] = OrderedDict()  # so that nothing needs to be searched for


class Pool:
    """A few threads, started as they are needed, with a bounded queue for each caller."""

    def __init__(
        self,
        *,
        name: str,
        threads: int,
        waiting: int,
        before: Callable[[], None],
        spare: int = 0,
        per_caller: int | None = None,
        hurries: bool = False,
        yields: bool = False,
    ) -> None:
        """`waiting` is how much work may wait for a thread, `per_caller` how much one may have under way.

        `before` runs on the thread before each piece. `hurries`: others' turns are short meanwhile, and pools
        that `yields` is set for begin work on one thread only.
        """
        self._name, self._threads, self._all_threads = name, threads, threads + spare
        self._most, self._per_caller = threads + spare + waiting, per_caller
        self._before, self._hurries, self._yields = before, hurries, yields
        self._lock = threading.Lock()  # guards everything below
        self._callers: dict[Hashable, _Caller] = {}
        self._turns: deque[Hashable] = deque()  # callers with work waiting, the next one first
        self._under_way = self._running = self._idle = 0
        self._runs_large = False
        self._handed: SimpleQueue[_Work | None] = SimpleQueue()  # work for idle threads
        self._started: list[threading.Thread] = []

    def run(
        self, work: Callable[[Unpack[Arguments]], Result], *arguments: *Arguments
    ) -> asyncio.Future[Result]:
        """Run `work` on a thread, for nobody in particular. Raises `Busy`, at once or when awaited."""
        return self.run_for(None, work, *arguments)

    def run_for(
        self,
        who: Hashable,
        work: Callable[[Unpack[Arguments]], Result],
        *arguments: *Arguments,
        is_large: bool = False,
    ) -> asyncio.Future[Result]:
        """Run `work` in a turn of this caller; of large work, one piece at a time. On the event loop only."""
        new = _Work(who, work, arguments, is_large)
        with self._lock:
            displaced = self._make_room(who)
            caller = self._callers.setdefault(who, _Caller())
            if not caller.waiting:
                self._turns.append(who)
            caller.waiting[new] = None
            self._under_way += 1
            self._hand_out()
            waits = new in caller.waiting
        if displaced:
            displaced.done(None, Busy())
        if waits:
            new.timer = new.loop.call_later(PATIENCE, self._give_up, new)
        return new.future

    def stop(self) -> None:
        """End the threads, after the work they have begun."""
        for _ in self._started:
            self._handed.put(None)
        for thread in self._started:
            thread.join(1)

    def _make_room(self, who: Hashable) -> _Work | None:
        """In a full queue, whoever has most waiting loses its latest to one with less. Raises `Busy`."""
        mine = self._callers.get(who)
        waiting = len(mine.waiting) if mine else 0
        if self._per_caller is not None and mine and waiting + mine.running >= self._per_caller:
            raise CallerBusy
        if self._under_way >= self._most:
            longest = max(self._callers.values(), key=lambda caller: len(caller.waiting))
            if len(longest.waiting) <= waiting + 1:
                raise Busy
            self._under_way -= 1
            return longest.waiting.popitem()[0]
        return None

    def _give_up(self, work: _Work) -> None:
        """Send back what has waited too long."""
        with self._lock:
            caller = self._callers.get(work.who)
            if caller is None or work not in caller.waiting:
                return  # a thread has it
            del caller.waiting[work]
            self._under_way -= 1
            self._forget_idle(work.who, caller)
        work.done(None, Busy())

    def _hand_out(self) -> None:
        """Give idle threads what may start, and start threads for it."""
        while self._idle or len(self._started) < self._all_threads:
            work = self._next()
            if work is None:
                return
            if self._idle:
                self._idle -= 1
                self._handed.put(work)
            else:
                thread = threading.Thread(target=self._serve, args=(work,), name=self._name, daemon=True)
                self._started.append(thread)
                thread.start()

    def _next(self) -> _Work | None:
        """What may start now, of the caller whose turn it is."""
        for _ in range(len(self._turns)):
            who = self._turns[0]
            caller = self._callers[who]
            self._turns.rotate(-1)
            if not self._may_start(caller):
                continue
            work, _ = caller.waiting.popitem(last=False)
            if not caller.waiting:
                self._turns.pop()
            caller.running += 1
            self._running += 1
            self._runs_large |= work.is_large
            if self._hurries or self._running > self._threads:
                short_turns.begin(work)
            return work
        return None

    def _may_start(self, caller: _Caller) -> bool:
        if self._runs_large and next(iter(caller.waiting)).is_large:
            return False
        if self._yields and self._running and short_turns.are_needed():
            return False
        return self._running < self._threads or not caller.running

    def _finished(self, work: _Work) -> _Work | None:
        """Free what it held. Returns what this thread does next, if anything waits."""
        with self._lock:
            caller = self._callers[work.who]
            caller.running -= 1
            self._running -= 1
            self._under_way -= 1
            self._runs_large &= not work.is_large
            short_turns.end(work)
            self._forget_idle(work.who, caller)
            following = self._next()
            if following is None:
                self._idle += 1
            self._hand_out()
            return following

    def _forget_idle(self, who: Hashable, caller: _Caller) -> None:
        if not caller.waiting:
            if who in self._turns:
                self._turns.remove(who)
            if not caller.running:
                del self._callers[who]

    def _serve(self, first: _Work) -> None:
        work: _Work | None = first
        del first
        while work is not None:
            result, problem = None, None
            if not work.future.cancelled():
                try:
                    self._before()
                    result = work.work(*work.arguments)
                except BaseException as error:  # raised where the result is awaited
                    problem = error
            following = self._finished(work)
            work.loop.call_soon_threadsafe(work.done, result, problem)
            work = result = problem = None  # a waiting thread must not hold a body
            work = following or self._handed.get()
            following = None
