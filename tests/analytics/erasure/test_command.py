"""`manage.py erase`: at once, with the receipt, or a sentence that says why not."""

import json
from contextlib import ExitStack, closing
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from analytics.jobs import runs
from analytics.management.commands import erase
from consent.gate import barrier
from consent.models import ErasureRequest
from tests.analytics.erasure.stories import (
    JANE,
    jane_has_rows,
    rows,
)

pytestmark = pytest.mark.django_db


def test_the_command_erases_at_once_and_prints_the_receipt() -> None:
    jane_has_rows()
    out = StringIO()
    call_command("erase", user="jane", yes=True, stdout=out)
    assert json.loads(out.getvalue())["deleted"]["analytics_feature_usage"] == 3
    assert rows() == {"UserActivity": [], "EndpointUsage": [], "FeatureUsage": []}
    assert "jane" not in out.getvalue()


@pytest.mark.usefixtures("_unknown_table")
def test_the_command_says_what_is_in_the_way() -> None:
    with connections["analytics"].cursor() as cursor:
        cursor.execute("INSERT INTO somebodys_cache VALUES (%s)", [json.dumps(JANE)])
    with pytest.raises(CommandError, match=r"somebodys_cache\.content"):
        call_command("erase", user="jane", yes=True)


def test_the_command_asks_first() -> None:
    jane_has_rows()
    with pytest.raises(CommandError, match="Nothing was erased"):
        call_command("erase", user="jane")
    assert not ErasureRequest.objects.exists()


def test_the_command_waits_while_somebody_else_runs_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    jane_has_rows()
    waits: list[float] = []
    with ExitStack() as other_run:
        other_run.enter_context(runs._only_one("erasure"))

        def rest(seconds: float) -> None:
            waits.append(seconds)
            assert len(rows()["FeatureUsage"]) == 3
            other_run.close()

        # The command's own name for the module: threads of other rooms sleep, too.
        monkeypatch.setattr(erase, "time", SimpleNamespace(sleep=rest))
        call_command("erase", user="jane", yes=True, reason="by letter", stdout=StringIO())
    assert waits == [1.0]
    assert rows()["FeatureUsage"] == []
    assert ErasureRequest.objects.get().reason == "by letter"


@pytest.mark.django_db(transaction=True)
def test_the_command_says_when_events_in_flight_cannot_be_ruled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(barrier, "WAIT", "100ms")
    with closing(connections["analytics"].copy()) as another:
        another.cursor().execute("BEGIN")
        another.cursor().execute(barrier.LOCK_SHARED, [barrier.LOCK_SPACE, barrier.buckets([JANE])])
        with pytest.raises(CommandError, match="could not be ruled out; the job will finish it"):
            call_command("erase", user="jane", yes=True)
        another.cursor().execute("ROLLBACK")
