"""Whatever is decided, by every way there is and in any order, the gate's table is what the log says."""

import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from consent.api import links
from consent.decisions.recording import record_decision
from consent.decisions.verification import verify
from consent.keys import issue_key
from consent.models import (
    ConsentPeriod,
    Decision,
    ErasureRequest,
    Method,
    Organization,
    State,
    SubjectKind,
    TelemetryUser,
)
from consent.policies import publishing
from consent.pseudonyms import pseudonym

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("unspent")]

USERS, ORGANIZATIONS = ("jane-1", "jim-22", "joan-333"), ("acme-1", "ibex-22")
STATES = ("granted", "denied", "unset")


class Ways:
    """Every way to decide. Each chooses at random for whom and what; what is refused changes nothing."""

    def __init__(self, chance: Random, folder: Path) -> None:
        self.chance, self.folder = chance, folder
        self.key = issue_key(name="app", scopes=["consent", "ingest"])[0]
        self.staff = Client()
        self.staff.force_login(User.objects.create_superuser("officer"))
        self.all: list[Callable[[], Any]] = [
            self.api_user, self.api_organization, self.switch, self.organization_settings, self.command,
            self.command_dated, self.admin, self.own_page, self.policy, self.editorial_policy, self.erasure,
            self.erase_command, self.replay,
        ]  # fmt: skip

    def put(self, address: str, body: dict[str, Any]) -> None:
        who = {"X-User-Id": self.chance.choice(USERS), "X-Organization-Id": self.chance.choice(ORGANIZATIONS)}
        if "user" in address:
            del who["X-Organization-Id"]
        else:
            del who["X-User-Id"]
        headers = {"authorization": f"Bearer {self.key}", **who}
        assert Client().put(address, json.dumps(body), "application/json", headers=headers).status_code == 200

    def api_user(self) -> None:
        self.put("/api/consent/user", {"state": self.chance.choice(STATES)})

    def api_organization(self) -> None:
        body = {"state": self.chance.choice(STATES)}
        if body["state"] == "granted":
            body["level"] = self.chance.choice(("detailed", "account"))
        self.put("/api/consent/organization", body)

    def switch(self) -> None:
        self.put(f"/api/users/telemetry/{self.chance.choice(('enable', 'disable'))}", {})

    def organization_settings(self) -> None:
        self.put("/api/v1/config/me/org-settings", {"telemetry_enabled": self.chance.random() < 0.5})

    def command(self, *more: str) -> None:
        kind, names = self.chance.choice((("user", USERS), ("organization", ORGANIZATIONS)))
        arguments = [self.chance.choice(STATES), f"--{kind}", self.chance.choice(names), *more]
        try:
            call_command("set_consent", *arguments, stdout=StringIO())
        except CommandError:
            if not more:
                raise

    def command_dated(self) -> None:
        moment = timezone.now() - timedelta(seconds=self.chance.choice((0.001, 0.1, 1, 3600)))
        self.command("--since", moment.isoformat())

    def admin(self) -> None:
        model, actions = self.chance.choice(
            ((Organization, ("grant", "deny", "unset")), (TelemetryUser, ("deny",)))
        )
        row = model.objects.order_by("?").first()
        if row:
            action = {"action": self.chance.choice(actions), "_selected_action": row.pk}
            address = reverse(f"admin:consent_{model._meta.model_name}_changelist")
            body = action | {"confirmed": "yes", "reason": "They asked"}
            assert self.staff.post(address, body).status_code == 302

    def own_page(self) -> None:
        path = links.make_link(pseudonym("user", self.chance.choice(USERS)))[0]
        client = Client(enforce_csrf_checks=True)
        page = client.get(path).content.decode()
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        sent = {"csrfmiddlewaretoken": token[1] if token else "", "agree": "yes"}
        sent["choice"] = self.chance.choice(("in", "out"))
        assert client.post(path, sent, headers={"origin": "null"}).status_code in (303, 409)

    def policy(self, *more: str) -> None:
        text = self.folder / "policy.txt"
        text.write_text(f"Version {self.chance.random()}")
        call_command("publish_policy", str(text), *more, stdout=StringIO())

    def editorial_policy(self) -> None:
        self.policy("--editorial")

    def erasure(self) -> None:
        headers = {"authorization": f"Bearer {self.key}", "X-User-Id": self.chance.choice(USERS)}
        answer = Client().post("/api/privacy/erasure", {}, "application/json", headers=headers)
        assert answer.status_code == 202, answer.content

    def erase_command(self) -> None:
        call_command(
            "erase", "--user", self.chance.choice(USERS), "--yes", stdout=StringIO(), stderr=StringIO()
        )

    def replay(self) -> None:
        if ErasureRequest.objects.exists():
            call_command("replay_erasures", stdout=StringIO(), stderr=StringIO())


def decide_at_random(seed: int, steps: int, folder: Path) -> None:
    ways, done = Ways(Random(seed), folder), []
    for step in range(steps):
        # Rare ones are those that change everybody's periods, or take long.
        weights = [0.3 if way in (ways.policy, ways.erase_command, ways.replay) else 1 for way in ways.all]
        (way,) = ways.chance.choices(ways.all, weights)
        way()
        done.append(way.__name__)
        if step % 10 == 9 or step == steps - 1:
            verdict = verify()
            assert (verdict.faults, verdict.differences.named) == ([], []), done


@pytest.mark.parametrize("seed", [1, 2])
def test_all_ways_in_any_order(seed: int, tmp_path: Path, settings: Settings) -> None:
    decide_at_random(seed, 60, tmp_path)
    states = set(ConsentPeriod.objects.values_list("state", flat=True))
    assert states == set(State), "the seed must reach every state"
    assert set(Decision.objects.values_list("method", flat=True)) == {"api", "admin", "command", "link"}


def test_decisions_that_race_with_publications_and_verifications(tmp_path: Path) -> None:
    """Every moment at which the log is verified is one between two commits."""
    subjects, ended = [f"{number:032x}" for number in range(3)], threading.Event()

    def decide(seed: int) -> int:
        chance, recorded = Random(seed), 0
        try:
            while not ended.is_set():
                record_decision(
                    kind=SubjectKind.USER,
                    subject=chance.choice(subjects),
                    state=State(chance.choice(STATES)),
                    actor="test",
                    method=Method.API,
                )
                recorded += 1
            return recorded
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        deciding = [pool.submit(decide, seed) for seed in range(3)]
        try:
            for number in range(8):
                publishing.publish(text=f"Text {number}", actor="test")
                verdict = verify()
                assert (verdict.faults, verdict.differences.named) == ([], [])
        finally:
            ended.set()
    assert sum(one.result() for one in deciding) > 20
    assert verify().differences.named == []


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(100, 120))
def test_all_ways_in_many_orders(seed: int, tmp_path: Path) -> None:
    decide_at_random(seed, 200, tmp_path)
