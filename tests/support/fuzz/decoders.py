"""Inflates, decodes and maps bodies in this process, without HTTP and without a database.

A finding is an exception that is not declared, a row outside its table's bounds, or a body that takes
long. Its body is written to a file, to become a test.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from consent.registry.registry import OURS, load
from ingest.load.body import CODINGS, BodyRefused, inflate
from ingest.mapping.name_limits import RouteBook
from ingest.mapping.rows import RowMaker
from ingest.otlp import json, metrics, protobuf
from ingest.otlp.records import DecodeError
from tests.support.fuzz.bodies import JSON, PROTOBUF, Bodies, Body

REGISTRY = load([OURS])
LIMIT = 64 * 1024 * 1024  # bytes
SLOW = 0.5  # seconds of CPU: no small body may take so long
DECODERS: dict[tuple[str, str], Callable[[bytes], Any]] = {
    ("/v1/traces", JSON): json.decode_traces,
    ("/v1/logs", JSON): json.decode_logs,
    ("/v1/metrics", JSON): metrics.count_json,
    ("/v1/traces", PROTOBUF): protobuf.decode_traces,
    ("/v1/logs", PROTOBUF): protobuf.decode_logs,
    ("/v1/metrics", PROTOBUF): metrics.count_protobuf,
}


class Finding(NamedTuple):
    """A body that was not handled as it should be."""

    what: str
    body: Body


class Report(NamedTuple):
    """The result of a run: bodies by what became of them, findings, CPU seconds of the slowest body."""

    outcomes: Counter[str]
    findings: list[Finding]
    slowest: float
    seconds: float


def run(*, bodies: int, seed: int, progress: Callable[[int], None] = lambda done: None) -> Report:
    outcomes: Counter[str] = Counter()
    findings: dict[str, Finding] = {}
    source, slowest, begin = Bodies(seed), 0.0, time.monotonic()
    for number in range(bodies):
        body = source.next()
        before = time.process_time()
        try:
            outcome = try_one(body)
        except Exception as error:
            outcome = f"{type(error).__name__} in {where(error)}"
            findings.setdefault(outcome, Finding(outcome, body))
        took = time.process_time() - before
        if took > SLOW:
            findings.setdefault("slow", Finding(f"took {took:.1f} s", body))
        slowest = max(slowest, took)
        outcomes[outcome] += 1
        if number % 1000 == 0:
            progress(number)
    return Report(outcomes, list(findings.values()), slowest, time.monotonic() - begin)


def try_one(body: Body) -> str:
    """What became of a body. Raises any exception that no body may cause."""
    decode = DECODERS.get((body.path, body.content_type))
    if decode is None or body.coding not in CODINGS:
        return "refused: type"
    try:
        window_bits = CODINGS[body.coding]
        raw = body.raw if window_bits is None else inflate(body.raw, window_bits, LIMIT)
        batch = decode(raw)
        if isinstance(batch, metrics.PointCount):
            return "metrics"
        return "rows" if rows_of(batch.records) else "no rows"  # large bodies are decoded only here
    except (BodyRefused, DecodeError) as refusal:
        return f"refused: {type(refusal).__name__}"


def rows_of(records: Iterable[Any]) -> int:
    """Map records as a request does, and check each row against its table's bounds."""
    maker = RowMaker(
        organization="",
        do_not_track=False,
        now=datetime.now(UTC),
        kept_from=datetime.now(UTC) - timedelta(days=365),
        registry=REGISTRY,
        routes=RouteBook(REGISTRY.endpoints),
    )
    mapped = maker.map(records)
    for row in mapped.rows:
        widths = {"activity": (50, 255), "endpoint": (255, 10), "feature": (100, 100)}[row.table]
        assert all(len(name) <= width for name, width in zip(row.names, widths, strict=False))
        assert len(row.user_id) == 32
        assert len(row.organization_id) in (0, 32)
        assert set(row.metadata) <= set(REGISTRY.attributes)
        texts = [*row.names, *row.metadata.values()]
        assert not any(isinstance(one, str) and ("\x00" in one or not encodable(one)) for one in texts)
    assert len(mapped.rows) + len(mapped.base_events) + mapped.refused.total() == mapped.total
    return len(mapped.rows) + len(mapped.base_events)


def encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def where(error: BaseException) -> str:
    """File and line of the innermost frame of ours."""
    found, step = "", error.__traceback__
    while step is not None:
        file = Path(step.tb_frame.f_code.co_filename)
        if "site-packages" not in file.parts:
            found = f"{file.name}:{step.tb_lineno}"
        step = step.tb_next
    return found


def keep(findings: list[Finding], folder: Path) -> list[Path]:
    """Write each finding's body to a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, finding in enumerate(findings):
        signal = finding.body.path.rpartition("/")[2]
        suffix = "json" if finding.body.content_type == JSON else "bin"
        file = folder / f"{signal}-{number}.{suffix}"
        file.write_bytes(finding.body.raw)
        written.append(file)
    return written
