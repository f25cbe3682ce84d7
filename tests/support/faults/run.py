"""One run: puts load on an instance, injects faults, waits for recovery, and compares with the database."""

import contextlib
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.faults.clients import Clients, Results
from tests.support.faults.instance import Instance, Memory, until
from tests.support.faults.records import microseconds
from tests.support.faults.scenarios import Scenario
from tests.support.faults.transport import RESEND, RESEND_GRPC
from tests.support.faults.verify import Findings, truncate, verify

RECOVERY_WITHIN = 120.0  # seconds
WEB_MEMORY = 400.0  # MB of one web process at most
RETRY_AFTER = {str(seconds) for seconds in range(1, 6)}  # SDKs give up if it exceeds their budget
FINE = {"200", "200 in part", "gRPC OK", "gRPC OK in part"}
FINE |= RESEND | {f"gRPC {name}" for name in RESEND_GRPC}
Progress = Callable[[int, int, str], None]  # strikes, acknowledged records, what was done last


@dataclass
class Strike:
    """One injected fault. Times are seconds since the run began."""

    what: str
    began: float
    ended: float
    recovery: float  # seconds from its end to the first 200 for a request that was sent after it


@dataclass
class Outcome:
    """The result of a run."""

    scenario: str
    covers: str
    seconds: float
    strikes: list[Strike]
    in_commit: int
    findings: Findings
    outcomes: dict[str, int]
    retry_after: list[str]
    longest_gap: float  # seconds without any 200
    memory: dict[str, float]  # MB, the biggest process of a kind
    memory_together: dict[str, float]
    problems: list[str] = field(default_factory=list)

    @property
    def slowest_recovery(self) -> float:
        return max((strike.recovery for strike in self.strikes), default=0.0)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"findings": self.findings._asdict()}


def run(
    scenario: Scenario,
    *,
    folder: Path,
    records: int,
    kills: int,
    rate: float = 0.0,
    instance: Instance | None = None,
    progress: Progress = lambda strikes, acknowledged, what: None,
) -> Outcome:
    """Strike until there were enough kills and acknowledged records, then verify.

    `rate` is in records a second; 0 means as fast as the clients can. Raises `Skipped`.
    """
    with _instance(scenario, folder, instance) as running:
        prepared = running.prepared
        with prepared.connect() as database:
            truncate(database)
        memory = Memory(running, scenario.servers)
        clients = _clients(scenario, running, rate)
        begin = time.monotonic()
        try:
            strikes = _strike(scenario, running, clients, records, kills, progress)
            seconds = time.monotonic() - begin
            results = clients.stop()
        finally:
            clients.kill()
        problems = _aftermath(running)
        memory.stop()
        with prepared.connect() as database:
            findings = verify(database, results.sent, prepared.pseudonyms)
    for strike in strikes:
        strike.recovery = _recovery(results, strike.ended)
        strike.began, strike.ended = strike.began - begin, strike.ended - begin
    gaps = _gaps(results)
    outcome = Outcome(
        scenario.name, scenario.covers, seconds, strikes, scenario.in_commit, findings,
        dict(results.outcomes.most_common()), results.retry_after, max(gaps, default=0.0),
        dict(memory.biggest), dict(memory.together), problems + scenario.notes,
    )  # fmt: skip
    outcome.problems += _judge(outcome, results)
    return outcome


@contextlib.contextmanager
def _instance(scenario: Scenario, folder: Path, given: Instance | None) -> Iterator[Instance]:
    if given is not None:
        yield given
    else:
        with scenario.instance(folder) as running:
            yield running


def _clients(scenario: Scenario, running: Instance, rate: float) -> Clients:
    two_days_ago = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=2)
    return Clients(
        host=running.host,
        ports=running.ports,
        grpc_port=running.grpc_port,
        key=running.prepared.key,
        base=microseconds(two_days_ago),
        processes=4 if scenario.connections > 16 else 2,
        connections=scenario.connections,
        rate=rate,
        disconnects=scenario.disconnects,
        offsets=scenario.offsets,
        refused=scenario.refused,
    )


def _strike(
    scenario: Scenario, running: Instance, clients: Clients, records: int, kills: int, progress: Progress
) -> list[Strike]:
    choose = random.Random(11)
    strikes: list[Strike] = []
    if not until(lambda: clients.acknowledged > 0, RECOVERY_WITHIN):
        raise RuntimeError(f"nothing was acknowledged at the start: {dict(clients.outcomes)}")
    while len(strikes) < kills or clients.acknowledged < records:
        progress(len(strikes), clients.acknowledged, strikes[-1].what if strikes else "")
        if len(strikes) >= kills:
            time.sleep(0.2)
            continue
        began = time.monotonic()
        what = scenario.strike(running, clients, len(strikes))
        ended = time.monotonic()
        strikes.append(Strike(what, began, ended, 0.0))

        def has_recovered(ended: float = ended) -> bool:
            return clients.last_acknowledged > ended

        if not until(has_recovered, RECOVERY_WITHIN):
            scenario.notes.append(f"no recovery within {RECOVERY_WITHIN:g} s after strike {len(strikes)}")
            break
        time.sleep(scenario.pause * choose.uniform(1, 2))
    progress(len(strikes), clients.acknowledged, "verifying")
    return strikes


def _aftermath(running: Instance) -> list[str]:
    """Check that the instance has recovered by itself."""
    problems = []
    if not until(lambda: running.is_ready()[0], RECOVERY_WITHIN):
        problems.append(f"/ready: {running.is_ready()[1]}")
    if running.process.poll() is not None:
        problems.append("`up` ended: " + " / ".join(running.log[-3:]))
    return problems


def _recovery(results: Results, ended: float) -> float:
    return min((answered - ended for sent, answered in results.answers if sent > ended), default=float("inf"))


def _gaps(results: Results) -> list[float]:
    times = sorted(answered for _, answered in results.answers)
    return [after - before for before, after in itertools.pairwise(times)]


def _judge(outcome: Outcome, results: Results) -> list[str]:
    found, problems = outcome.findings, []
    for name in ("missing", "twice", "wrong", "torn"):
        if number := getattr(found, name):
            problems.append(f"{number} {name}")
    for what, number in results.outcomes.items():
        if what not in FINE and not what.startswith(("connection", "broke off")):
            problems.append(f"{number} times {what}")
    ends = Counter(one.end for one in results.sent)
    if ends["rejected"]:
        problems.append(f"{ends['rejected']} requests rejected for good")
    if strange := set(outcome.retry_after) - RETRY_AFTER:
        problems.append(f"Retry-After: {', '.join(sorted(strange))}")
    if outcome.memory.get("web", 0) > WEB_MEMORY:
        problems.append(f"a web process took {outcome.memory['web']:.0f} MB")
    return problems
