"""Where the server's CPU time goes: the stages of `ingest.receive`, in one process, one request at a time.

`benchmarks.ingest` runs this inside an instance (`manage.py shell`). Stages of single records are timed
around each call, less what the timing itself costs; the others by the thread's CPU time. The results are then
scaled to the time that the same requests take without timing.
"""

import contextlib
import functools
import gc
import json
import statistics
import time

from analytics.storage.store import Attempt
from benchmarks.bodies import JsonBodies, ProtobufBodies
from consent.models import Key
from ingest import receive
from ingest.mapping.identity import Identities
from ingest.mapping.interpretation_cache import Meanings
from ingest.mapping.rows import RowMaker
from ingest.otlp import status
from telemetry_site.server.ports import CYCLES_AFTER

REQUESTS = 40
STAGES = {
    "parse": "bytes to records",
    "route and scrub": "records to what they say",
    "identify": "pseudonyms, row ids, times",
    "rows": "the rest of records to rows",
    "gate": "locks, consent, decision",
    "write": "rows to COPY, and its conversation",
    "rest": "names, counts, answer, freeing",
}


TIMED = (*STAGES, "records")  # these are made while rows are, one by one: a part of parsing


class Stopwatch:
    """Seconds by stage of one request."""

    def __init__(self):
        self.seconds, self.calls = dict.fromkeys(TIMED, 0.0), dict.fromkeys(TIMED, 0)

    def around(self, stage, function, clock):
        @functools.wraps(function)
        def timed(*arguments, **named):
            begin = clock()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds[stage] += clock() - begin
                self.calls[stage] += 1

        return timed


def main(spans):
    """Print microseconds a span by encoding and stage, as JSON: the median of several requests."""
    gc.freeze()
    gc.set_threshold(CYCLES_AFTER, 10, 10)
    key = Key.objects.filter(name="benchmark").latest("pk")
    found = {}
    for name, bodies, encoding in (
        ("JSON", JsonBodies(spans), status.JSON),
        ("protobuf", ProtobufBodies(spans), status.PROTOBUF),
    ):
        plain = measure(bodies, encoding, key, watched=False)
        timed = measure(bodies, encoding, key, watched=True)
        total, stages = middle(plain)["total"], middle(timed)
        scale = total / stages.pop("total")
        stages["rows"] -= stages["route and scrub"] + stages["identify"] + stages["records"]
        stages["parse"] += stages.pop("records")
        found[name] = {
            f"{stage}: {STAGES[stage]}": value * scale / spans * 1e6 for stage, value in stages.items()
        }
    print(json.dumps(found))


def middle(runs):
    """The median of each figure."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def measure(bodies, encoding, key, *, watched):
    """The seconds of each request in total, and by stage if `watched`."""
    runs = []
    for number in range(REQUESTS + 5):
        body = bodies.next(time.time_ns())
        watch = Stopwatch()
        undo = instrument(watch, encoding) if watched else []
        begin = time.thread_time()
        receive.receive(signal="traces", encoding=encoding, body=body, key=key)
        total = time.thread_time() - begin
        for owner, name, value in undo:
            setattr(owner, name, value) if isinstance(name, str) else owner.__setitem__(name, value)
        if number >= 5:  # the first ones find nothing remembered
            cost = overhead()
            own = {stage: watch.seconds[stage] - watch.calls[stage] * cost for stage in TIMED}
            # The cost of timing calls inside of another timed call belongs to neither stage.
            inner = ("identify", "route and scrub", "records")
            own["rows"] -= sum(watch.calls[stage] for stage in inner) * cost
            total -= sum(watch.calls.values()) * cost
            outer = sum(seconds for stage, seconds in own.items() if stage not in inner)
            runs.append(own | {"rest": total - outer, "total": total})
    return runs


def instrument(watch, encoding):
    """Replace the stages' functions by timed ones. Returns the original ones."""
    wall, cpu = time.perf_counter, time.thread_time
    places = [
        ("rows", RowMaker, "map", cpu),
        ("route and scrub", Meanings, "of", wall),
        ("identify", Identities, "nanoseconds", wall),
        ("identify", Identities, "row_id", wall),
        ("identify", Identities, "subjects", wall),
        ("gate", Attempt, "admit", cpu),
        ("write", Attempt, "write", cpu),
    ]
    decode = receive.DECODERS["traces", encoding]
    undo = [(receive.DECODERS, ("traces", encoding), decode)]
    receive.DECODERS["traces", encoding] = watch.around(
        "parse", lambda body: lazily(watch, decode(body)), cpu
    )
    for stage, owner, name, clock in places:
        by_name = isinstance(name, str)
        before = getattr(owner, name) if by_name else owner[name]
        undo.append((owner, name, before))
        timed = watch.around(stage, before, clock)
        setattr(owner, name, timed) if by_name else owner.__setitem__(name, timed)
    return undo


def lazily(watch, batch):
    """The batch, each of its records timed as it is made."""
    following = watch.around("records", batch.records.__next__, time.perf_counter)

    def records():
        with contextlib.suppress(StopIteration):
            while True:
                yield following()

    batch.records = records()
    return batch


@functools.cache
def overhead():
    """The seconds that timing adds to one call."""
    watch = Stopwatch()
    timed = watch.around("rest", lambda: None, time.perf_counter)
    begin = time.perf_counter()
    for _ in range(20_000):
        timed()
    return (time.perf_counter() - begin) / 20_000
