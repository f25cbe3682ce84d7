"""The faults. Each scenario prepares an instance, strikes repeatedly, and says what it covers."""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import psutil
import psycopg

from analytics.partitions import oldest_kept_month, partition_name
from tests.support.faults import clock, slow
from tests.support.faults.clients import Clients
from tests.support.faults.instance import Instance, command, postmaster, until
from tests.support.faults.records import TABLES, microseconds
from tests.support.faults.servers import OwnServers

HOUR, DAY = 3600 * 1_000_000, 86_400 * 1_000_000  # microseconds


class Skipped(Exception):
    """This machine cannot run the scenario; the message says why."""


class Scenario:
    """One kind of fault. `strike` returns when the fault is over, and everything may recover."""

    name = ""
    covers = ""
    connections = 8
    pause = 1.0  # least seconds between recovery and the next strike; at most twice as many
    disconnects = 0.0
    offsets: ClassVar[list[int]] = [0]
    refused: ClassVar[list[int]] = []
    may_be_refused = False  # whether 503 is a right answer while the fault lasts

    def __init__(self) -> None:
        self.choose = random.Random(5)
        self.in_commit = 0  # strikes that hit while a commit was under way
        self.notes: list[str] = []  # what went against the scenario's own rules

    @contextlib.contextmanager
    def instance(self, folder: Path) -> Iterator[Instance]:
        """A whole instance for this scenario. Raises `Skipped`."""
        running = Instance(folder / "var")
        try:
            yield running
        finally:
            running.stop()

    def servers(self) -> list[psutil.Process]:
        """Servers outside of the instance whose memory counts too."""
        return []

    def strike(self, instance: Instance, clients: Clients, number: int) -> str:
        """Inject the fault. Returns a few words about what was done."""
        raise NotImplementedError

    def await_commit(self, instance: Instance) -> None:
        """Return as soon as a commit is under way; give up after half a second."""
        with contextlib.suppress(psycopg.Error), instance.prepared.connect() as watch:
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                row = watch.execute(COMMITTING).fetchone()
                if row and row[0]:
                    self.in_commit += 1
                    return


COMMITTING = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND state = 'active' AND query ILIKE 'COMMIT%'
"""


class Workers(Scenario):
    name = "workers"
    covers = "kill -9 of a web worker, now and then of all workers of a port, or of a gRPC server"
    may_be_refused = True
    pause = 1.5

    def strike(self, instance: Instance, clients: Clients, number: int) -> str:
        port = instance.ports[number % 2]
        workers = instance.grpc_servers() if number % 4 == 3 else instance.web_workers(port)
        if number % 5 != 4:
            workers = workers and [self.choose.choice(workers)]
        self.await_commit(instance)
        for worker in workers:
            kill(worker)
        return f"{len(workers)} {'gRPC server' if number % 4 == 3 else 'web worker'}(s)"


class Masters(Scenario):
    name = "masters"
    covers = "kill -9 of the process above the web workers"
    pause = 6.0  # after five restarts within ten minutes `up` waits longer and longer before the next

    def strike(self, instance: Instance, clients: Clients, number: int) -> str:
        masters = instance.masters()
        self.await_commit(instance)
        kill(masters[number % len(masters)])
        return "a web master"


class Postgres(Scenario):
    name = "postgres"
    covers = "kill -9 of the postmaster and of a backend in turn"
    may_be_refused = True

    def strike(self, instance: Instance, clients: Clients, number: int) -> str:
        victim = None
        # Just after the last kill there may be no server to ask, or no process to kill.
        with contextlib.suppress(psycopg.Error, psutil.NoSuchProcess):
            victim = self._victim(instance, is_backend=bool(number % 2))
        self.await_commit(instance)
        kill(victim)
        return "a backend" if number % 2 else "the postmaster"

    def _victim(self, instance: Instance, *, is_backend: bool) -> psutil.Process:
        with instance.prepared.connect() as watch:
            busy = watch.execute(BACKENDS).fetchall() if is_backend else []
            return psutil.Process(busy[0][0]) if busy else postmaster(watch)


BACKENDS = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
 ORDER BY state = 'active' DESC
"""


class Redis(Scenario):
    name = "redis"
    covers = "kill -9 of Redis; ingest must go on"

    def strike(self, instance: Instance, clients: Clients, number: int) -> str:
        before, begin = clients.acknowledged, time.monotonic()
        kill(instance.redis())
        until(lambda: any("redis-server" in command(one) for one in instance.processes()), 30)
        if clients.acknowledged == before and time.monotonic() - begin > 1:
            self.notes.append("ingest stood still while Redis was away")
        return "Redis"


class Away(Scenario):
    name = "away"
    covers = "either database refuses all connections, the other one stays"
    may_be_refused = True
    hold = 3.0  # seconds; the first strikes of a long run last 20
    long_holds = 4

    def __init__(self, *, long_holds: int | None = None) -> None:
        super().__init__()
        self.long_holds = self.long_holds if long_holds is None else long_holds

    def strike(self, instance: Instance, clients: Clients, number: int) -> str:
        alias = ("default", "analytics")[number % 2]
        seconds = 20.0 if number < self.long_holds else self.hold
        database = instance.prepared.databases[alias]["dbname"]
        self.await_commit(instance)
        with instance.prepared.connect(alias, dbname="postgres") as above:
            above.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
            try:
                above.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                              [database])  # fmt: skip
                self.watch(instance, alias, seconds)
            finally:
                above.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
        return f"{alias} away for {seconds:g} s"

    def watch(self, instance: Instance, alias: str, seconds: float) -> None:
        """While the operational database is away, consent cannot be read, so nothing may be stored."""
        if alias == "analytics":
            time.sleep(seconds)
            return
        time.sleep(1.0)  # requests that had read consent before may still commit
        with instance.prepared.connect("analytics") as analytics:
            before = count(analytics)
            time.sleep(max(0.5, seconds - 1.0))
            if count(analytics) != before:
                self.notes.append("rows were stored while no consent could be read")


class Stop(Away):
    name = "stop"
    covers = "two servers; a clean stop, or SIGSTOP of every process, of one of them"

    def __init__(self, *, long_holds: int | None = None) -> None:
        super().__init__(long_holds=long_holds)
        self._own: OwnServers | None = None

    @contextlib.contextmanager
    def instance(self, folder: Path) -> Iterator[Instance]:
        with OwnServers(folder) as self._own:
            running = Instance(folder / "var", variables=self._own.variables())
            try:
                yield running
            finally:
                running.stop()

    def servers(self) -> list[psutil.Process]:
        return self._own.postmasters() if self._own else []

    def strike(self, instance: Instance, clients: Clients, number: int) -> str:
        assert self._own
        alias = ("default", "analytics")[number % 2]
        is_clean = number // 2 % 2 == 0
        seconds = 20.0 if number < self.long_holds else self.hold
        self.await_commit(instance)
        with self._own.stopped(alias) if is_clean else self._own.frozen(alias):
            self.watch(instance, alias, seconds)
        return f"{alias} {'stopped' if is_clean else 'frozen'} for {seconds:g} s"


class Disconnects(Scenario):
    name = "disconnects"
    covers = "clients that go away in the body and before the answer, by FIN or RST"
    disconnects = 0.3
    pause = 3.0

    def strike(self, instance: Instance, clients: Clients, number: int) -> str:
        before = broken_off(clients)
        until(lambda: broken_off(clients) >= before + 20, 30)
        return f"{broken_off(clients) - before} disconnects"


class Disk(Scenario):
    name = "disk"
    covers = "the file system of PostgreSQL and Redis is full (a tmpfs of 700 MB)"
    may_be_refused = True
    megabytes = 700

    @contextlib.contextmanager
    def instance(self, folder: Path) -> Iterator[Instance]:
        if os.geteuid() != 0:
            raise Skipped("only root may mount a small file system")
        place = folder / "disk"
        place.mkdir(mode=0o711)
        size = f"size={self.megabytes}m,mode=0711"
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", size, "candid-faults", place], capture_output=True, text=True
        )
        if mounted.returncode:
            raise Skipped(f"mount: {mounted.stderr.strip()}")
        try:
            with super().instance(place) as running:
                yield running
        finally:
            until(lambda: subprocess.run(["umount", place], capture_output=True).returncode == 0, 20)

    def strike(self, instance: Instance, clients: Clients, number: int) -> str:
        ballast = instance.data_dir / "ballast"
        before, begin = felt(clients), time.monotonic()
        try:
            with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(bytes(1 << 20)):
                    pass
            was_felt = until(lambda: felt(clients) > before, 20)
            time.sleep(self.choose.uniform(0.5, 3.0))
        finally:
            ballast.unlink()
        if not was_felt:
            self.notes.append(f"strike {number + 1}: nobody felt the full disk within 20 s")
        return f"disk full for {time.monotonic() - begin:.0f} s"


class Clock(Scenario):
    name = "clock"
    covers = (
        "senders' clocks wrong by up to 11 months back and 20 hours ahead (accepted), by years and days "
        "(refused); the server's own clock steps by up to a day under a preloaded library, the databases' not"
    )
    offsets: ClassVar[list[int]] = [0, 50 * HOUR, -5 * DAY, -36 * DAY, -100 * DAY, -200 * DAY, -320 * DAY]
    refused: ClassVar[list[int]] = [-900 * DAY, 30 * DAY]
    steps = (60, -60, 3600, -3600, -10_800, 86_400, -7_200, 0, -1, 1)  # seconds from the right time

    @contextlib.contextmanager
    def instance(self, folder: Path) -> Iterator[Instance]:
        variables = clock.prepare(folder)
        if not variables:
            self.notes.append("no C compiler: the server's own clock did not step")
        self._file = folder / clock.FILE
        running = Instance(folder / "var", variables=variables)
        try:
            yield running
        finally:
            running.stop()

    def strike(self, instance: Instance, clients: Clients, number: int) -> str:
        seconds = self.steps[number % len(self.steps)]
        clock.set_offset(self._file, seconds)
        time.sleep(2.0)
        return f"server's clock {seconds:+d} s"


class Partitions(Scenario):
    name = "partitions"
    covers = "an empty partition is dropped under load, and the next events need it"
    pause = 0.5

    def strike(self, instance: Instance, clients: Clients, number: int) -> str:
        with instance.prepared.connect() as database:
            (now,) = database.execute("SELECT now()").fetchone() or ()
            month = oldest_kept_month(now, 12).plus(1 + number // 3 % 10)
            kind = number % 3
            name = partition_name(TABLES[kind], month)
            database.execute("SET lock_timeout = '5s'")
            with contextlib.suppress(psycopg.errors.UndefinedTable):
                held = database.execute(f"SELECT count(*) FROM {name}").fetchone()
                if held and held[0]:  # in a second round: these rows are acknowledged and must stay
                    return f"{name} is in use by now"
                database.execute(f"DROP TABLE {name}")
            middle = microseconds(month.starts_at) + 8 * DAY
            clients.send_aside(middle - microseconds(now), kind)
            until(lambda: self._is_used(database, name), 30)
            return f"dropped {name}"

    def _is_used(self, database: psycopg.Connection[Any], name: str) -> bool:
        with contextlib.suppress(psycopg.errors.UndefinedTable):
            return bool(database.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone())
        return False


class Connections(Workers):
    name = "connections"
    covers = "64 connections at once, and kill -9 of web workers"
    connections = 64


class Slow(Scenario):
    name = "slow"
    covers = "100 clients stall in the headers and 100 in the body; the others must not notice"
    pause = 2.0
    seconds = 8.0

    def strike(self, instance: Instance, clients: Clients, number: int) -> str:
        before = clients.acknowledged
        time.sleep(3.0)
        usual = (clients.acknowledged - before) / 3.0
        with slow.stalled(instance.host, instance.ports, instance.prepared.key, headers=100, bodies=100):
            before = clients.acknowledged
            time.sleep(self.seconds)
            meanwhile = (clients.acknowledged - before) / self.seconds
        if meanwhile < usual / 2:
            self.notes.append(f"strike {number + 1}: {meanwhile:,.0f} records/s instead of {usual:,.0f}")
        return f"200 stalled: {meanwhile:,.0f} of {usual:,.0f} records/s"


def kill(process: psutil.Process | None) -> None:
    if process is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)


def count(database: psycopg.Connection[Any]) -> int:
    return sum((database.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,))[0] for table in TABLES)


def felt(clients: Clients) -> int:
    """How often clients were told that nothing can be stored now."""
    return clients.outcomes["503"] + clients.outcomes["gRPC UNAVAILABLE"]


def broken_off(clients: Clients) -> int:
    return sum(number for outcome, number in clients.outcomes.items() if outcome.startswith("broke off"))


SCENARIOS: dict[str, type[Scenario]] = {
    scenario.name: scenario
    for scenario in (
        Workers, Masters, Postgres, Redis, Away, Stop, Disconnects, Disk, Clock, Partitions, Connections, Slow
    )
}  # fmt: skip
