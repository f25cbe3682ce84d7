"""Sealing: reducing a report day to counts, when a month that it touches is dropped.

Counts of people are taken once, without small ones (`SUPPRESS_BELOW`), and the sets themselves are dropped.
Uses, requests and durations stay where enough people, or only anonymous ones, caused them; what belongs to an
organization or to internal use is dropped. A sealed day is never built again. Windows that end on the 27
days after it reach into what is dropped, so they are counted now, too.
"""

import secrets
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import numpy as np
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from pyroaring import BitMap

from analytics.models import Mark, RolledDay, RollUp
from analytics.partitions import Month
from analytics.report_days import days_between, report_zone, report_zone_name
from analytics.rollups.building import build
from analytics.rollups.building.erasing import FORGET_MEMBERS
from analytics.rollups.building.marks import marked_days, quarters_of_day
from analytics.rollups.building.members import VERSIONS
from analytics.rollups.layout import (
    CELLS,
    DEPLOYMENT_TYPES,
    KINDS_OF_EVENTS,
    LONGEST_WINDOW,
    WINDOWS,
    cell_of,
    is_internal_cell,
)
from analytics.rollups.numbers import Numbers
from analytics.rollups.packing import pack, unpack
from analytics.rollups.reading.people import People
from analytics.rollups.reading.reader import Reader, Segment, reading
from analytics.small_groups import too_few
from postgres import locks

BY_DEPLOYMENT = ("", *DEPLOYMENT_TYPES)
MOST_WAITING = 3  # days; when more wait to be built, nobody is forgotten yet
SEEN_LATELY = """
SELECT content FROM analytics_rollup JOIN analytics_rolledday USING (day)
 WHERE kind = 'active' AND state = 'open'
"""
NAMED_MEMBERS = "SELECT id, person FROM analytics_member WHERE user_id <> ''"


def days_touching(month: Month) -> list[date]:
    """The report days that overlap a month (UTC)."""
    zone = report_zone()
    last = month.ends_at - timedelta(microseconds=1)
    return days_between(month.starts_at.astimezone(zone).date(), last.astimezone(zone).date())


def seal(days: Iterable[date]) -> int:
    """Seal these days and forget members who were seen on no other; returns how many days were sealed.

    Called in the transaction on `analytics` that drops the days' rows, before it drops them.
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
        following = [day for day in _after(due[-1]) if day not in sealed]
        with reading() as reader:
            active = _with_earlier(_active(reader, due[0], max([*due, *following])))
            stays = {day: _what_stays(reader, day) for day in due}
        for day in due:
            people, contents = stays[day]
            _write(cursor, day, {"active": active[day], **people}, contents)
        for day in following:  # windows that end on these days reach into what is dropped now
            longer = [count for count in active[day] if count[2] != "dau"]
            cursor.execute(build.ENTER_DAY, [day])
            RolledDay.objects.filter(day=day).update(people={"active": longer})
        _forget_who_is_gone(cursor)
    return len(due)


def _is_built(day: date) -> bool:
    if Mark.objects.filter(quarter__range=quarters_of_day(day)).exists():
        return False
    return RolledDay.objects.filter(day=day, zone=report_zone_name()).exclude(version=0).exists()


def _after(day: date) -> list[date]:
    return days_between(day + timedelta(days=1), day + timedelta(days=LONGEST_WINDOW - 1))


def _active(reader: Reader, first: date, last: date) -> dict[date, list[Any]]:
    """By day: deployment ('' is any), activity, metric and number of people; None where that is withheld."""
    by_day: dict[date, list[Any]] = {day: [] for day in days_between(first, last)}
    for activity in ("any", "login"):
        seen = reader.presences(Segment(), first - timedelta(days=LONGEST_WINDOW), last, activity=activity)
        windows = {name: seen[name].windows(list(WINDOWS.values()), first, last) for name in BY_DEPLOYMENT}
        for column, day in enumerate(by_day):
            for metric, width in WINDOWS.items():
                counts = {name: int(windows[name][width][column]) for name in BY_DEPLOYMENT}
                # A single small part follows from the total and the other parts: then all parts are withheld.
                parts_shown = not any(too_few(counts[name]) for name in DEPLOYMENT_TYPES)
                for name, count in counts.items():
                    is_shown = not too_few(count) and (parts_shown or not name)
                    by_day[day].append([name, activity, metric, count if is_shown else None])
    return by_day


def _with_earlier(active: dict[date, list[Any]]) -> dict[date, list[Any]]:
    """The same, but with counts taken earlier, when days that a window reaches into were sealed."""
    for day in RolledDay.objects.filter(day__in=active, people__isnull=False):
        if day.people:
            taken_earlier = {tuple(count[:3]) for count in day.people["active"]}
            taken_now = [count for count in active[day.day] if tuple(count[:3]) not in taken_earlier]
            active[day.day] = taken_now + day.people["active"]
    return active


def _what_stays(reader: Reader, day: date) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What stays of a day: counts of people, and contents."""
    small_groups = {kind: _small_groups(reader, kind, day) for kind in ("feature", "endpoint")}
    contents = {
        roll_up.kind: _without(
            bytes(roll_up.content), small_groups["feature" if roll_up.kind == "uses" else "endpoint"]
        )
        for roll_up in RollUp.objects.filter(day=day, kind__in=KINDS_OF_EVENTS)
    }
    users = reader.feature_people(Segment(), day, day)
    counts = zip(users.keys, users.distinct(day, day).tolist(), strict=True)
    return {
        "features": [[key, None if too_few(count) else count] for key, count in counts if count]
    }, contents


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
    cursor.execute(build.EMPTY_DAY, [day])
    if contents:
        cursor.execute(build.FILL_DAY, [day, list(contents), list(contents.values())])
    RolledDay.objects.filter(day=day).update(
        state=RolledDay.Phase.SEALED, people=people, version=secrets.randbelow(VERSIONS)
    )


def _forget_who_is_gone(cursor: CursorWrapper) -> None:
    """Forget people who were seen on none of the open days; the others keep their first day.

    All members of a person are forgotten together: one not seen lately may hold the first day. While many
    days wait to be built, it is unknown who was seen, so this is left to the next month.
    """
    waiting = marked_days()
    if len(waiting) > MOST_WAITING:
        return
    for day in waiting:
        build.build_day(day)
    cursor.execute(locks.TAKE, locks.ROLL_UP_MEMBERS)
    seen = BitMap()
    cursor.execute(SEEN_LATELY)
    for (content,) in cursor.fetchall():
        seen |= BitMap.deserialize(unpack(content)[1])
    cursor.execute(NAMED_MEMBERS)
    members: Numbers = np.array(cursor.fetchall(), dtype=np.int64).reshape(-1, 2)
    number, person = members.T
    present = person[np.isin(number, np.asarray(seen.to_array()))]
    cursor.execute(FORGET_MEMBERS, [number[~np.isin(person, present)].tolist()])
