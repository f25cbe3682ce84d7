"""`python -m benchmarks.canaries [--payloads N] [--seed N]`."""

import argparse
import http.client
import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from consent.registry.registry import OURS, load
from tests.support.canaries.payloads import LOGS, USERS, Payload, Payloads
from tests.support.canaries.search import Found, dumped, in_files, in_redis, search
from tests.support.faults.instance import Instance, directory, end_on_sigterm
from tests.support.faults.records import JSON, PROTOBUF, TABLES
from tests.support.faults.transport import Grpc

GRANT = f"""
from datetime import timedelta
from consent.models import Method, State, SubjectKind
from consent.pseudonyms import pseudonym
from consent.decisions.recording import record_decision
from django.conf import settings
from django.utils import timezone
for raw in {USERS!r}:
    record_decision(kind=SubjectKind.USER, subject=pseudonym("user", raw), state=State.GRANTED,
                    actor="canaries", method=Method.COMMAND, effective_at=timezone.now() - timedelta(days=30))
print(settings.REDIS_URL)
"""
KEYS = "SELECT DISTINCT jsonb_object_keys(event_metadata) FROM {}"
# "refused" is a partial success; 400 is right for a body that is not OTLP.
ALLOWED = {f"{kind} {said}" for kind in (JSON, PROTOBUF) for said in ("200", "200 refused", "400")}
ALLOWED |= {"gRPC OK", "gRPC OK refused", "gRPC INVALID_ARGUMENT"}


class Result(NamedTuple):
    """How requests were answered, rows by table, keys in their metadata, and the canaries found."""

    answers: Counter[str]
    rows: dict[str, int]
    keys: int
    undeclared: set[str]
    found: Found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.canaries")
    parser.add_argument("--payloads", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats a run's payloads")
    options = parser.parse_args()
    end_on_sigterm()
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(f"seed {options.seed}")
    payloads = Payloads(options.seed)
    with directory() as folder, running(folder / "var") as instance, Progress(console=console) as bars:
        url = instance.manage("shell", "-v", "0", "-c", GRANT)
        task = bars.add_task("payloads", total=options.payloads)
        answers: Counter[str] = Counter()
        send = sender(instance)
        for number in range(options.payloads):
            answers[send(number, payloads.next())] += 1
            bars.update(task, completed=number + 1)
        result = examine(instance, folder, url, answers)
    show(result, payloads, console)
    sys.exit(bool(problems(result)))


@contextmanager
def running(data_dir: Path) -> Iterator[Instance]:
    instance = Instance(data_dir)
    try:
        yield instance
    finally:
        instance.stop()


def sender(instance: Instance) -> Any:
    """A function that sends the n-th payload, as JSON, as protobuf or over gRPC, and returns the answer."""
    web = http.client.HTTPConnection(instance.host, instance.otlp_port, timeout=30)
    channel = grpc.insecure_channel(f"{instance.host}:{instance.grpc_port}")
    key = f"Bearer {instance.prepared.key}"

    def over_http(payload: Payload, content_type: str, body: bytes) -> str:
        headers = {"Authorization": key, "Content-Type": content_type}
        web.request("POST", f"/v1/{payload.signal}", body, headers)
        answer = web.getresponse()
        said = answer.read()
        refused = answer.status == 200 and b"artial" in said
        return f"{content_type} {answer.status}{' refused' if refused else ''}"

    def over_grpc(payload: Payload, body: bytes) -> str:
        method = Grpc.METHOD.format(*(("logs", "Logs") if payload.signal == LOGS else ("trace", "Trace")))
        try:
            said = channel.unary_unary(method)(body, timeout=30, metadata=[("authorization", key)])
        except grpc.RpcError as error:
            return f"gRPC {error.code().name}"
        return "gRPC OK refused" if said else "gRPC OK"

    def send(number: int, payload: Payload) -> str:
        if number % 3 == 0:
            return over_http(payload, JSON, payload.json)
        body = payload.protobuf
        return over_http(payload, PROTOBUF, body) if number % 3 == 1 else over_grpc(payload, body)

    return send


def examine(instance: Instance, folder: Path, redis_url: str, answers: Counter[str]) -> Result:
    declared = set(load([OURS]).attributes)
    rows, keys = {}, set()
    with instance.prepared.connect() as database:
        for table in TABLES:
            rows[table] = database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            keys |= {key for (key,) in database.execute(KEYS.format(table))}
    found = search(("what `up` says", line.encode()) for line in instance.log)
    for alias, parameters in instance.prepared.databases.items():
        found += search((f"{alias}: {table}", line) for table, line in dumped(parameters, folder / alias))
    found += search(in_redis(redis_url))
    found += search((f"file {name}", content) for name, content in in_files(instance.data_dir))
    return Result(answers, rows, len(keys), keys - declared, found)


def problems(result: Result) -> list[str]:
    found = [f"{name!r} is stored and not declared" for name in sorted(result.undeclared)]
    found += [f"{place}: …{text}…" for place, text in result.found.canaries[:20]]
    if not result.found.harmless or not all(result.rows.values()):
        found.append("what should have been stored was not found, so this proves nothing")
    found += [f"answered {answer}" for answer in sorted(result.answers) if answer not in ALLOWED]
    return found


def show(result: Result, payloads: Payloads, console: Console) -> None:
    planted = Table(title="Planted")
    kinds = sorted({kind for kind, _ in payloads.planted})
    for head in ("place", *kinds):
        planted.add_column(head, justify="left" if head == "place" else "right")
    for place in sorted({place for _, place in payloads.planted}):
        planted.add_row(place, *(f"{payloads.planted[kind, place]:,}" for kind in kinds))
    console.print(planted)
    console.print("; ".join(f"{answer}: {number:,}" for answer, number in result.answers.most_common()))
    console.print("; ".join(f"{table}: {number:,} rows" for table, number in result.rows.items()))
    console.print(
        f"{result.keys} keys in event_metadata, {len(result.undeclared)} of them not declared; "
        f"{payloads.planted.total():,} canaries planted, {len(result.found.canaries)} found; "
        f"the harmless word {result.found.harmless:,} times"
    )
    for problem in problems(result):
        console.print(f"[red]{problem}", markup=True)


if __name__ == "__main__":
    main()
