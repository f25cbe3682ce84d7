"""With real receivers and senders at work, no row is committed after a withdrawal has been answered.

The long proof, with more flips, workers and instances, is `python -m benchmarks.withdrawal`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connections

from consent.decisions.recording import record_decision
from consent.keys import issue_key
from consent.models import Method, State, SubjectKind
from consent.pseudonyms import pseudonym
from telemetry_site.server import probes
from telemetry_site.server.programs import granian
from tests.support import programs
from tests.support.withdrawal import flips

pytestmark = pytest.mark.django_db(transaction=True)

RAW = {"user": flips.USER, "organization": flips.ORGANIZATION}
SERVE_GRPC = ("manage.py", "serve_grpc")
UNLOCKED = "tests.support.withdrawal.unlocked"


@contextmanager
def receivers(tmp_path: Path, application: str, serve_grpc: tuple[str, ...]) -> Iterator[dict[str, object]]:
    """OTLP over HTTP and over gRPC, each a process; the orders for senders."""
    http, grpc = programs.free_port(), programs.free_port()
    _python, *web = granian(f"{application}:application", {"host": "127.0.0.1", "workers": 1}, http)
    environment = programs.environment(DEBUG="1")
    with (
        programs.process(*web, env=environment, log=tmp_path / "http.log"),
        programs.process(*serve_grpc, "--port", str(grpc), env=environment, log=tmp_path / "grpc.log"),
    ):
        programs.until(lambda: probes.answers(f"http://127.0.0.1:{http}/health"), what="OTLP/HTTP answers")
        programs.until(lambda: probes.speaks_http2("127.0.0.1", grpc), what="OTLP/gRPC answers")
        key, _ = issue_key(name="senders", scopes=["ingest"])
        yield {"key": key, "ports": [http], "grpc_ports": [grpc], "senders": 8, "records": 40}


def decide(kind: str, granted: bool) -> datetime:
    decision = record_decision(
        kind=SubjectKind(kind),
        subject=pseudonym(kind, RAW[kind]),
        state=State.GRANTED if granted else State.DENIED,
        actor="tests",
        method=Method.COMMAND,
    )
    return decision.effective_at


def flipped(
    orders: dict[str, object], times: int, note: Callable[[list[flips.Flip]], bool] = lambda done: True
) -> flips.Flips:
    parameters = connections["analytics"].get_connection_params()
    wanted = ("host", "port", "dbname", "user", "password")
    where = {name: parameters[name] for name in wanted if name in parameters}
    with psycopg.connect(**where, autocommit=True) as database:
        return flips.flip(times=times, decide=decide, database=database, orders=orders, note=note)


def test_nothing_is_committed_after_a_withdrawals_answer(tmp_path: Path) -> None:
    assert settings.ON_WITHDRAWAL == "erase"  # tombstones are part of it
    with receivers(tmp_path, "telemetry_site.server.rsgi_otlp", SERVE_GRPC) as orders:
        result = flipped(orders, 30)
    assert [(flip.kind, flip.late) for flip in result.flips] == [("user", 0)] * 15 + [
        ("organization", 0)
    ] * 15
    assert result.empty == 0
    assert set(result.answers) == {"HTTP 200", "gRPC OK"}


@pytest.mark.proof
def test_without_the_lock_this_proof_fails(tmp_path: Path) -> None:
    with receivers(tmp_path, UNLOCKED, ("-m", UNLOCKED, "serve_grpc")) as orders:
        result = flipped(orders, 200, note=lambda done: not done[-1].late)
    assert result.late > 0
