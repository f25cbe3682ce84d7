"""Planted data: a crowd that is large in everything it does, and one lone person who does one thing more.

Everybody has one of two apps, some use the staging environment as well, and all went from version 1.0 to 1.1.
All of it arrives through `/v1/logs`, with consent. What was sent is kept as plain events, so that the
attack knows whom a number belongs to.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from django.db import connections
from django.test import Client

from analytics.report_days import report_today
from consent.decisions.recording import record_decision
from consent.models import Level, Method, State, SubjectKind
from consent.pseudonyms import pseudonym
from tests.support.events import at
from tests.support.otlp import a_key, grant, log, logs, post
from tests.support.rolling import roll_up

CROWD = 36
DAYS = 24  # the crowd's days, up to yesterday
NEVER_IMPORT = range(3, 13)  # people of the crowd
UPDATED = 12  # days ago: the first of version 1.1
DIMENSIONS = {  # and values that are asked for
    "app": ("web", "desktop", "lab"),
    "app_version": ("1.0", "1.1", "0.9"),
    "environment": ("production", "staging", "test"),
}
ORGANIZATIONS = ("north-works", "south-works", "east-works")
LONE = CROWD  # the number of the lone person, and of the first of a small group
MOST = 4  # people of a small group
RECORDS_AT_ONCE = 500


@dataclass(frozen=True)
class Sent:
    """One event as it was sent: `kind` is login, feature or endpoint, `what` its name."""

    person: int
    day: date
    kind: str
    what: str
    organization: str
    action: str = "created"
    deployment: str = "cloud"
    internal: bool = False
    status: int = 200
    ms: int = 20
    page: str = ""
    app: str = "web"
    app_version: str = ""  # '': that of the day
    environment: str = "production"
    error: str = ""  # its type

    def value(self, dimension: str) -> str:
        if dimension == "app_version" and not self.app_version:
            return "1.0" if self.day < ago(UPDATED) else "1.1"
        return str(getattr(self, dimension))


def ago(days: int) -> date:
    return report_today() - timedelta(days=days)


def crowd(lone: int = 1) -> list[Sent]:
    """Everybody's usual events, the lone person's (or group's) among them: on most days."""
    chance = random.Random(5)
    sent = []
    for person in range(CROWD + lone):
        place = {
            "organization": ORGANIZATIONS[person % len(ORGANIZATIONS)],
            "deployment": "cloud" if person >= LONE or person % 2 else "self-hosted",
            "app": "desktop" if person < LONE and person // 2 % 2 else "web",
        }
        for back in range(1, DAYS + 1):
            if person < LONE and chance.random() > 0.75:
                continue
            day = ago(back)
            if person < LONE and person % 5 in (0, 2):
                place["environment"] = chance.choice(("production", "staging"))
            sent.append(Sent(person, day, "login", "login", **place))
            for name in ("export", "timer"):
                sent += [Sent(person, day, "feature", name, **place)] * chance.randint(1, 3)
            sent.append(Sent(person, day, "feature", "timer", error="TimeoutError", **place))
            for route in ("/items", "/orders"):
                status = chance.choice((200, 200, 200, 404, 500))
                sent.append(
                    Sent(person, day, "endpoint", route, status=status, ms=chance.randint(5, 90), **place)
                )
    return sent


def _of_lone(back: int = 9, **changes: Any) -> list[Sent]:
    """What only the lone person does: ten uses, ten requests of which two failed, and a sign-in."""
    usual = Sent(LONE, ago(back), "feature", "export", ORGANIZATIONS[LONE % len(ORGANIZATIONS)])
    one = replace(usual, **changes)
    route = "/items" if one.what == "export" else "/" + one.what.replace("_", "-")
    request = replace(one, kind="endpoint", what=route)
    return [
        *[one] * 10,
        *(replace(request, status=500 if number < 2 else 200, ms=300 + number) for number in range(10)),
        replace(one, kind="login", what="login"),
    ]


def _of_days(*backs: int) -> list[Sent]:
    return [event for back in backs for event in _of_lone(back)]


def _of_group(people: int, **changes: Any) -> list[Sent]:
    return [replace(event, person=LONE + number) for number in range(people) for event in _of_lone(**changes)]


def _usual(people: int = 1, **changes: Any) -> list[Sent]:
    """What the lone person (or group) usually does on a day."""
    day = ago(9)
    return [replace(one, **changes) for one in crowd(people) if one.person >= LONE and one.day == day]


def _of_one_version() -> list[Sent]:
    """The lone person uses a feature in one version only, which the others use in both."""
    return [replace(event, what="import") for event in crowd() if _is_import(event)]


def _is_import(event: Sent) -> bool:
    if event.what != "timer" or event.error or event.person in NEVER_IMPORT:
        return False
    if event.person < LONE:
        return (event.person + event.day.toordinal()) % 5 > 1  # on three days of five
    return event.value("app_version") == "1.0"


VARIATIONS: dict[str, Callable[[], list[Sent]]] = {
    "deployment type": lambda: _of_lone(deployment="unknown"),
    "internal use": lambda: _of_lone(internal=True),
    "feature": lambda: _of_lone(what="secret_plan"),
    "endpoint": lambda: [event for event in _of_lone(what="secret_plan") if event.kind == "endpoint"],
    "organization": lambda: _of_lone(organization="lone-works"),
    "day at a border": lambda: _of_lone(DAYS + 3),
    "week": lambda: _of_days(DAYS + 9, DAYS + 11, DAYS + 12),
    "cohort": lambda: _of_days(DAYS + 25, DAYS + 24),
    "session page": lambda: [replace(event, what="page_view", page="/secret") for event in _of_lone()[:10]],
    "status code": lambda: [replace(event, status=503) for event in _of_lone() if event.kind == "endpoint"],
    "action": lambda: [replace(event, action="shredded") for event in _of_lone()[:10]],
    "withdrawn": lambda: _of_lone(what="secret_plan"),
    "on both": lambda: _of_lone(deployment="self-hosted"),
    "account reports": lambda: _of_lone(organization="lone-works"),
    "error": lambda: [replace(event, error="LoneError") for event in _of_lone()[:10]],
    "app": lambda: _of_lone(app="lab"),
    "error of an app": lambda: _usual(app="lab"),
    "version": lambda: _of_lone(app_version="0.9"),
    "one version": _of_one_version,
    "two apps": lambda: _usual(app="desktop"),
    "pair of values": lambda: _usual(app="desktop", environment="staging"),
    "app of an environment": lambda: _of_lone(app="lab", environment="test"),
    "app of a deployment type": lambda: _of_lone(app="lab", deployment="unknown"),
    "app of 3": lambda: _usual(3, app="lab"),
    "two apps of 3": lambda: _usual(3, app="desktop"),
    "group of 2": lambda: _of_group(2, internal=True),
    "group of 3": lambda: _of_group(3, deployment="unknown"),
    "group of 4": lambda: _of_group(4, what="secret_plan"),
}
PEOPLE = {  # of 1 elsewhere
    "group of 2": 2,
    "group of 3": 3,
    "group of 4": 4,
    "app of 3": 3,
    "two apps of 3": 3,
}


@dataclass(frozen=True)
class World:
    sent: list[Sent]
    withdrawn: bool  # whether the lone person has withdrawn


def plant(variation: str) -> World:
    """Plant the crowd and this variation's lone person, and build the roll-ups."""
    lone = PEOPLE.get(variation, 1)
    sent = crowd(lone) + VARIATIONS[variation]()
    if variation == "account reports":  # then only the lone person is not known
        sent = [replace(one, organization="lone-works") if one.person == LONE else one for one in sent]
    organizations = {event.organization for event in sent}
    for person in range(CROWD + lone):
        grant(user=user(person))
    for organization in organizations:
        grant(organization=organization)
    key, _ = a_key()
    records = [_record(number, event) for number, event in enumerate(sent)]
    for start in range(0, len(records), RECORDS_AT_ONCE):
        response = post(Client(), "/v1/logs", logs(*records[start : start + RECORDS_AT_ONCE]), key)
        assert response.status_code == 200, response.content
        assert "rejectedLogRecords" not in response.content.decode(), response.content
    connections["analytics"].cursor().execute("SELECT 1")
    roll_up()
    if variation == "account reports":
        for organization in ORGANIZATIONS:
            _decide(SubjectKind.ORGANIZATION, organization, State.GRANTED, Level.ACCOUNT)
    withdrawn = variation == "withdrawn"
    if withdrawn:
        _decide(SubjectKind.USER, user(LONE), State.DENIED)
    return World(sent, withdrawn)


def _decide(kind: SubjectKind, raw: str, state: State, level: Level | None = None) -> None:
    record_decision(
        kind=kind,
        subject=pseudonym(kind.value, raw),
        state=state,
        level=level,
        actor="tests",
        method=Method.COMMAND,
    )


def user(person: int) -> str:
    return f"attack-user-{person:04}"


def _record(number: int, event: Sent) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "log.record.uid": f"planted-record-{number:08}",
        "user.id": user(event.person),
        "organization.id": event.organization,
        "session.id": f"session-{event.person:04}-{event.day}",
        "deployment.type": event.deployment,
        "service.name": event.app,
        "service.version": event.value("app_version"),
        "deployment.environment.name": event.environment,
    }
    if event.internal:
        attributes["internal"] = True
    if event.page:
        attributes["page.path"] = event.page
    if event.kind == "feature":
        attributes |= {"feature.name": event.what, "feature.action": event.action}
        attributes |= {"error.type": event.error} if event.error else {"duration_ms": float(event.ms)}
        return log("page_view" if event.page else "", at=at(event.day), attributes=attributes)
    if event.kind == "endpoint":
        attributes |= {
            "http.request.method": "GET",
            "http.route": event.what,
            "http.response.status_code": event.status,
            "duration_ms": float(event.ms),
        }
        return log("request", at=at(event.day), attributes=attributes)
    return log("login", at=at(event.day), attributes=attributes)
