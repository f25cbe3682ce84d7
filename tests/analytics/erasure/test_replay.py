"""After a backup was restored: erasures are repeated, and denials with them."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
import redis
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from analytics.erasure import receipts, replay
from consent.decisions.status import consent_status
from consent.models import ErasureRequest, State, Tombstone
from telemetry_site.embedded.accounts import system_account
from tests.analytics.erasure.stories import (
    ANONYMOUS,
    JANE,
    JIM,
    USER,
    ask,
    carry_out,
    decide,
    erased,
    jane_has_rows,
    rows,
)
from tests.analytics.erasure.test_withdrawal import jane_is_sent
from tests.support.events import feature
from tests.support.instances import place
from tests.support.otlp import a_key
from tests.support.programs import ROOT, environment

pytestmark = pytest.mark.django_db


def test_replaying_erases_what_a_restored_backup_brought_back() -> None:
    jane_has_rows()
    erased()
    jane_has_rows()
    feature(JANE, timezone.now() + timedelta(seconds=1))  # newer than the erasure
    out = StringIO()
    call_command("replay_erasures", stdout=out)
    assert "Repeated 1 erasures: 6 rows" in out.getvalue()
    assert rows() == {"UserActivity": [], "EndpointUsage": [], "FeatureUsage": [JANE]}


@pytest.mark.django_db(transaction=True)  # an export reads on connections of its own
def test_receipts_replay_what_the_restored_database_knows_nothing_of(tmp_path: Path, settings) -> None:
    settings.RECEIPTS_DIR = str(tmp_path)
    jane_has_rows()
    decide(State.GRANTED)
    decide(State.DENIED)
    carry_out()
    # The backup is from before the withdrawal.
    ErasureRequest.objects.all().delete()
    Tombstone.objects.all().delete()
    decide(State.GRANTED)
    jane_has_rows()
    call_command("replay_erasures", receipts=tmp_path, stdout=StringIO())
    assert rows() == {"UserActivity": [], "EndpointUsage": [], "FeatureUsage": []}
    assert Tombstone.objects.filter(subject=JANE).exists()
    assert Tombstone.objects.filter(subject=ANONYMOUS).exists()
    call_command("export_subject", user="jane", stdout=(out := StringIO()))
    exported = json.loads(out.getvalue())
    assert exported["user"][0]["state"] == "denied"
    assert "receipt" in exported["decisions"][-1]["reason"]


def undecided_who_opts_out(client: Client) -> None:
    jane_is_sent(client, a_key()[0])
    decide(State.DENIED)


def opted_out_and_then_asks(client: Client) -> None:
    decide(State.GRANTED)
    decide(State.DENIED)
    ask()


@pytest.mark.usefixtures("notice")
@pytest.mark.parametrize("story", [undecided_who_opts_out, opted_out_and_then_asks])
@pytest.mark.parametrize("of_the_backup", [State.UNSET, State.GRANTED])
def test_whoever_was_opted_out_when_erased_is_so_after_a_restore(
    client: Client, tmp_path: Path, settings, story, of_the_backup: State
) -> None:
    settings.RECEIPTS_DIR = str(tmp_path)
    story(client)
    carry_out()
    ErasureRequest.objects.all().delete()
    Tombstone.objects.all().delete()
    decide(of_the_backup)
    call_command("replay_erasures", receipts=tmp_path, stdout=StringIO())
    assert consent_status(USER, JANE).state == State.DENIED


def test_an_erasure_that_the_backup_knows_as_open_tells_of_the_denial_since(tmp_path: Path, settings) -> None:
    settings.RECEIPTS_DIR = str(tmp_path)
    decide(State.GRANTED)
    ask()
    decide(State.DENIED)
    carry_out()
    ErasureRequest.objects.update(state="waiting", receipt=None, finished_at=None)
    decide(State.GRANTED)
    call_command("replay_erasures", receipts=tmp_path, stdout=StringIO())
    assert consent_status(USER, JANE).state == State.DENIED


@pytest.mark.parametrize(("is_withdrawal", "state"), [(True, State.DENIED), (False, State.GRANTED)])
def test_a_receipt_of_before_tells_of_the_denial_by_its_withdrawal(
    tmp_path: Path, is_withdrawal: bool, state: State
) -> None:
    decide(State.GRANTED)
    written_before = erased()
    del written_before["denied"], written_before["signature"]
    ErasureRequest.objects.all().delete()
    receipt = receipts.signed(written_before | {"withdrawal": is_withdrawal})
    receipts.write(receipt, tmp_path / "receipt.json")
    call_command("replay_erasures", receipts=tmp_path, stdout=StringIO())
    assert consent_status(USER, JANE).state == state


def test_a_changed_receipt_stops_the_replaying(tmp_path: Path, settings) -> None:
    settings.RECEIPTS_DIR = str(tmp_path)
    receipt = erased()
    (tmp_path / "changed.json").write_text(json.dumps(receipt | {"subject": "f" * 32}))
    with pytest.raises(CommandError, match=r"changed\.json: the receipt was changed"):
        call_command("replay_erasures", receipts=tmp_path)


def test_each_subject_is_erased_again_up_to_its_latest_erasure() -> None:
    erased()
    second = erased()
    open_one = ask(subject=JIM)
    (request,) = replay.ask_again(actor="test")
    assert (request.pseudonym, request.until.isoformat()) == (JANE, second["erased_up_to"])
    assert (request.is_withdrawal, request.method) == (False, "command")
    assert ErasureRequest.objects.filter(pk=open_one.pk, state="waiting").exists()


def test_a_receipt_that_the_database_knows_changes_no_decision(tmp_path: Path, settings) -> None:
    """Somebody who opted out, was erased, and opted in again stays opted in."""
    settings.RECEIPTS_DIR = str(tmp_path)
    decide(State.GRANTED)
    decide(State.DENIED)
    carry_out()
    decide(State.GRANTED)
    call_command("replay_erasures", receipts=tmp_path, stdout=StringIO())
    assert consent_status(USER, JANE).state == State.GRANTED


def test_what_cannot_be_erased_again_is_named(tmp_path: Path, settings) -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        erased()
        client.set(f"cache:{JANE}", "1")
        try:
            with pytest.raises(CommandError, match=r"1 of 1 are not done: .*redis\.key"):
                call_command("replay_erasures", stdout=StringIO())
        finally:
            client.delete(f"cache:{JANE}")
    with pytest.raises(CommandError, match="is not a directory"):
        call_command("replay_erasures", receipts=tmp_path / "none")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_directory_that_cannot_be_read_is_not_taken_for_an_empty_one() -> None:
    """Every erasure since the backup would be undone, and the command would say that there were none."""
    account = system_account()
    with place() as directory:  # whose mode lets others pass, and not look around
        ended = subprocess.run(
            [sys.executable, "manage.py", "replay_erasures", "--receipts", str(directory)],
            user=account.uid, group=account.gid, extra_groups=[],
            cwd=ROOT, env=environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert ended.returncode == 1
    assert "cannot be read by the user that runs this" in ended.stderr
