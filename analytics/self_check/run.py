"""Chooses days, compares their figures, and names what differs."""

import math
import random
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import NamedTuple

from django.db import connections

from analytics.models.rollups import Group, RolledDay, RollUp
from analytics.report_days import report_today, report_zone_name
from analytics.rollups.building.build import build_day
from analytics.rollups.building.marks import quarters_of_day
from analytics.rollups.layout import DEPLOYMENT_TYPES, OTHER, SLICES
from analytics.rollups.packing import unpack
from analytics.rollups.reading import reader as rollups
from analytics.self_check.figures import EventsAsked, Figure, from_reports, from_rows

CHANCE = random.SystemRandom()
DAYS = 10  # chosen at random, besides yesterday
LOOKS = 3  # at a day whose rows are changing
NAMED = 4  # differences in a sentence; more are counted
LONGEST_NAME = 40
STATEMENT_LIMIT = "15min"
RELATIVE_ERROR = 1e-6  # of a mean: sums of floats depend on their order

MARKED = "SELECT EXISTS (SELECT FROM analytics_mark WHERE quarter BETWEEN %s AND %s)"


class FiguresDiffer(Exception):
    """Reports show other figures than their rows hold; the message names report, day and name."""


class Difference(NamedTuple):
    """A figure that is another one in its rows. Its numbers are not told: nothing has suppressed them."""

    day: date
    figure: Figure

    def __str__(self) -> str:
        report, name, measure = self.figure
        return ", ".join(word for word in (report, str(self.day), name[:LONGEST_NAME], measure) if word)


class Checked(NamedTuple):
    figures: int
    differences: frozenset[Figure]


def check_figures() -> str:
    """Recompute yesterday's figures and those of ten random open days; '' when there is no such day.

    Raises `FiguresDiffer`.
    """
    compared, days, differences = 0, 0, []
    for day in _sample():
        for scope in _scopes(day):
            checked = _check(day, scope)
            days += checked is not None and scope == EventsAsked()
            if checked:
                compared += checked.figures
                differences += [Difference(day, figure) for figure in sorted(checked.differences)]
    differences = sorted(set(differences))
    words = f"{compared} figures of {days} days recomputed, {len(differences)} differences"
    if differences:
        more = f"; and {len(differences) - NAMED} more" if len(differences) > NAMED else ""
        raise FiguresDiffer(f"{words}: {'; '.join(map(str, differences[:NAMED]))}{more}")
    return f"{words}." if days else ""


def _sample() -> list[date]:
    """Yesterday and some earlier days, of those that are built for today's zone and not sealed."""
    yesterday = report_today() - timedelta(days=1)
    built = RolledDay.objects.filter(state=RolledDay.Phase.OPEN, zone=report_zone_name())
    known = set(built.exclude(version=0).filter(day__lte=yesterday).values_list("day", flat=True))
    earlier = sorted(known - {yesterday})
    chosen = CHANCE.sample(earlier, min(DAYS, len(earlier)))
    return [*({yesterday} & known), *sorted(chosen, reverse=True)]


def _scopes(day: date) -> Iterator[EventsAsked]:
    """Everything, and one deployment type, organization, value of a dimension: roll-ups keep each apart."""
    yield EventsAsked()
    yield EventsAsked(deployment=CHANCE.choice(DEPLOYMENT_TYPES), include_internal=CHANCE.random() < 0.5)
    named = Group.objects.exclude(organization_id=None).exclude(organization_id="")
    organization = named.order_by("?").values_list("organization_id", flat=True).first()
    if organization:
        yield EventsAsked(organization=organization, include_internal=True)
    if values := _values(day):
        yield EventsAsked(dimension=CHANCE.choice(values), include_internal=CHANCE.random() < 0.5)


def _values(day: date) -> list[tuple[str, str]]:
    """The values of the day's dimensions, of those of which the day keeps all values, and several."""
    content = RollUp.objects.filter(day=day, kind=SLICES).values_list("content", flat=True).first()
    if content is None:
        return []
    names, *slices = unpack(bytes(content))[0]
    values = {name: {one[place] for one in slices} for place, name in enumerate(names)}
    compared = [name for name in names if len(values[name]) > 1 and OTHER not in values[name]]
    return sorted((name, value) for name in compared for value in values[name])


def _check(day: date, scope: EventsAsked) -> Checked | None:
    """Compare one day; None when its rows go on changing.

    A difference counts when it is seen twice: a withdrawal between two statements is none.
    """
    first = _look(day, scope)
    if first is None or not first.differences:
        return first
    second = _look(day, scope)
    return second and Checked(second.figures, first.differences & second.differences)


def _look(day: date, scope: EventsAsked) -> Checked | None:
    """Compare in one snapshot, in which all of the day's rows are counted."""
    for _ in range(LOOKS):
        with rollups.reading(), connections["analytics"].cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{STATEMENT_LIMIT}'")
            cursor.execute(MARKED, quarters_of_day(day))
            if cursor.fetchone() == (False,):
                return _compared(from_reports(day, scope), from_rows(cursor, day, scope))
        build_day(day)  # as the job “roll-ups” is about to
    return None


def _compared(shown: dict[Figure, float], held: dict[Figure, float]) -> Checked:
    names: Iterable[Figure] = shown.keys() | held.keys()
    wrong = (
        name
        for name in names
        if not math.isclose(shown.get(name, 0.0), held.get(name, 0.0), rel_tol=RELATIVE_ERROR)
    )
    return Checked(len(shown.keys() | held.keys()), frozenset(wrong))
