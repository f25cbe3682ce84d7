"""Sealing days, step by step.

Counts of people are taken once, without small ones (`SUPPRESS_BELOW`), and the sets themselves are dropped,
but for those that windows still need (`kept_sets.py`). Uses, requests and durations stay where enough people,
or only anonymous ones, caused them; what belongs to an organization or to internal use is dropped. A sealed
day is never built again.
"""

import secrets
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import numpy as np
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

from analytics.models import Mark, RolledDay, RollUp
from analytics.partitions import Month
from analytics.report_days import days_between, report_today, report_zone, report_zone_name, week_of
from analytics.rollups.building import build
from analytics.rollups.building.marks import quarters_of_day
from analytics.rollups.building.members import VERSIONS
from analytics.rollups.layout import (
    CELLS,
    DEPLOYMENT_TYPES,
    KINDS_OF_EVENTS,
    LONGEST_WINDOW,
    PEOPLE_OF,
    WINDOWS,
    cell_of,
    is_internal_cell,
)
from analytics.rollups.packing import pack, unpack
from analytics.rollups.reading.people import People
from analytics.rollups.reading.reader import Reader, Segment, reading
from analytics.rollups.sealing import kept_sets, spans
from analytics.rollups.sealing.cohorts import cohorts
from analytics.rollups.sealing.withholding import alone, parts
from analytics.small_groups import too_few
from postgres import locks

BY_DEPLOYMENT = ("", *DEPLOYMENT_TYPES)
EMPTY_DAY = "DELETE FROM analytics_rollup WHERE day = %s AND kind <> ALL(%s)"


def days_touching(month: Month) -> list[date]:
    """The report days that overlap a month (UTC)."""
    zone = report_zone()
    last = month.ends_at - timedelta(microseconds=1)
    return days_between(month.starts_at.astimezone(zone).date(), last.astimezone(zone).date())


def seal(days: Iterable[date], today: date | None = None) -> int:
    """Seal these days and forget members who were seen on no other; returns how many days were sealed.

    Called in the transaction on `analytics` that drops the days' rows, before it drops them. `today` decides
    which weeks of a cohort are over (the clock's when left out).
    """
    with transaction.atomic(using="analytics"), connections["analytics"].cursor() as cursor:
        cursor.execute(locks.TAKE, locks.ROLL_UP_BUILD)
        sealed = set(RolledDay.objects.filter(state=RolledDay.Phase.SEALED).values_list("day", flat=True))
        due = sorted(set(days) - sealed)
        if not due:
            return 0
        for day in due:
            if not _is_built(day):
                build.build_day(day)
        with reading() as reader:
            stays = {day: _what_stays(reader, day) for day in due}
            people = _people(reader, due, sealed, today or report_today())
        for day in due:
            _write(cursor, day, people[day] | stays[day][0], stays[day][1])
        kept_sets.drop_older(cursor)
        kept_sets.forget_who_is_gone(cursor)
    return len(due)


def _people(reader: Reader, due: list[date], sealed: set[date], today: date) -> dict[date, dict[str, Any]]:
    """The counts of people that are kept of days, windows, weeks and months, each at one of these days."""
    active = _active(reader, due[0], due[-1])
    people: dict[date, dict[str, Any]] = {day: {"active": active[day]} for day in due}
    mondays = {week_of(day): day for day in reversed(due) if week_of(day) not in sealed}
    for monday, cohort in cohorts(reader, mondays, today).items():
        people[mondays[monday]]["cohort"] = {"monday": monday.isoformat(), **cohort}
    begun = spans.begun(due, sealed, today)
    for span, kept in spans.people_of(reader, begun).items():
        people[begun[span]].setdefault("spans", []).append(kept)
    return people


def _is_built(day: date) -> bool:
    if Mark.objects.filter(quarter__range=quarters_of_day(day)).exists():
        return False
    return RolledDay.objects.filter(day=day, zone=report_zone_name()).exclude(version=0).exists()


def _active(reader: Reader, first: date, last: date) -> dict[date, list[Any]]:
    """By day: deployment ('' is any), activity, metric and number of people; None where that is withheld."""
    by_day: dict[date, list[Any]] = {day: [] for day in days_between(first, last)}
    for activity in ("any", "login"):
        seen = reader.presences(Segment(), first - timedelta(days=LONGEST_WINDOW), last, activity=activity)
        windows = {name: seen[name].windows(list(WINDOWS.values()), first, last) for name in BY_DEPLOYMENT}
        for column, day in enumerate(by_day):
            for metric, width in WINDOWS.items():
                total, *of_types = (int(windows[name][width][column]) for name in BY_DEPLOYMENT)
                kept = [alone(total), *parts(of_types, total)]
                for name, count in zip(BY_DEPLOYMENT, kept, strict=True):
                    by_day[day].append([name, activity, metric, count])
    return by_day


def _what_stays(reader: Reader, day: date) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What stays of a day: counts of people, and contents."""
    small_groups = {kind: _small_groups(reader, kind, day) for kind in set(PEOPLE_OF.values())}
    contents = {
        roll_up.kind: _without(bytes(roll_up.content), small_groups[PEOPLE_OF[roll_up.kind]])
        for roll_up in RollUp.objects.filter(day=day, kind__in=KINDS_OF_EVENTS)
    }
    users = reader.feature_people(Segment(), day, day)
    counts = zip(users.keys, users.distinct(day, day).tolist(), strict=True)
    return {"features": [[key, alone(count)] for key, count in counts if count]}, contents


def _small_groups(reader: Reader, kind: str, day: date) -> set[tuple[Any, int]]:
    """The names and cells with too few people."""
    small = set()
    for deployment in DEPLOYMENT_TYPES:
        people: People[Any] = reader.people(kind, Segment(deployment=deployment), day, day)
        (seen,) = people.spans((day, day), repeated=False)
        cell = cell_of(deployment, is_internal=False)
        of_names = zip(people.keys, seen.distinct.tolist(), seen.deserted.tolist(), strict=True)
        small |= {(key, cell) for key, count, gone in of_names if gone or too_few(count)}
    return small


def _without(content: bytes, small: set[tuple[Any, int]]) -> bytes:
    """The content without the small cells, and without internal use."""
    names, _, arrays = unpack(content)
    stays = np.array(
        [
            [not is_internal_cell(cell) and (name, cell) not in small for cell in range(CELLS)]
            for name in names
        ],
        dtype=np.bool_,
    ).reshape(-1, CELLS)[arrays["key"], arrays["group"]]
    return pack(names, b"", **{name: values[stays] for name, values in arrays.items()})


def _write(cursor: CursorWrapper, day: date, people: dict[str, Any], contents: dict[str, bytes]) -> None:
    cursor.execute(EMPTY_DAY, [day, list(kept_sets.KINDS)])
    if contents:
        cursor.execute(build.FILL_DAY, [day, list(contents), list(contents.values())])
    RolledDay.objects.filter(day=day).update(
        state=RolledDay.Phase.SEALED,
        is_closed=True,
        people=people,
        dimensions="",
        version=secrets.randbelow(VERSIONS),
    )
