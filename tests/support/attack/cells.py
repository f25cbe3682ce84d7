"""What the attacker reads off an answer: numbers, each with the events or the people that it counts.

Events and people have random weights modulo 2**64, whose sums stand for sets: a number is known by the
weight of the crowd's part of it, and of the lone person's.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, NamedTuple

from consent.pseudonyms import pseudonym
from tests.support.attack.world import DIMENSIONS, LONE, MOST, Sent, World

MASK = 2**64 - 1


class Cell(NamedTuple):
    """A number that was shown. `crowd` and `lone` are weights of what it counts; `scope` says within what
    people may be subtracted: the range (people of two ranges may be compared, docs/privacy.md says so)."""

    measure: str
    crowd: int
    lone: int
    scope: str
    source: str


@dataclass
class Knowledge:
    """Everything the attacker has been told. `not_understood` counts numbers that are sums of something
    smaller than what was asked for."""

    world: World
    cells: list[Cell] = field(default_factory=list)
    not_understood: int = 0
    understood: int = 0

    def __post_init__(self) -> None:
        chance = random.Random(7)
        self._of_event = [chance.getrandbits(64) for _ in self.world.sent]
        self._of_person = [chance.getrandbits(64) for _ in range(LONE + MOST)]
        self._organization = {
            pseudonym("organization", name): name
            for name in {event.organization for event in self.world.sent}
        }
        self._by_day: dict[date, list[int]] = defaultdict(list)
        for number, event in enumerate(self.world.sent):
            self._by_day[event.day].append(number)
        self._heard: set[tuple[Any, ...]] = set()

    def is_new(self, *what: Any) -> bool:
        """Whether this is told for the first time: days stand in many answers."""
        before = len(self._heard)
        self._heard.add(what)
        return len(self._heard) > before

    def chosen(self, asked: Mapping[str, str], first: date, last: date) -> list[int]:
        """The numbers of the events that a question's filters let through."""
        organization = self._organization.get(asked.get("org", ""), "")
        deployment = asked.get("deployment", "")
        values = [(name, asked[name]) for name in DIMENSIONS if name in asked]
        return [
            number
            for day, numbers in self._by_day.items()
            if first <= day <= last
            for number in numbers
            if self._passes(self.world.sent[number], organization, deployment, asked.get("internal") == "1")
            and all(self.world.sent[number].value(name) == value for name, value in values)
        ]

    def _passes(self, event: Sent, organization: str, deployment: str, include_internal: bool) -> bool:
        return (
            organization in ("", event.organization)
            and deployment in ("", event.deployment)
            and (include_internal or not event.internal)
        )

    def told_events(
        self, measure: str, shown: Any, events: Iterable[int], source: str, keep: Callable[[Sent], bool]
    ) -> bool:
        """A number of uses, requests or errors; whether it was shown and understood."""
        if not isinstance(shown, int | float):
            return False
        own = [number for number in events if keep(self.world.sent[number])]
        crowd = [number for number in own if self.world.sent[number].person < LONE]
        for counted in (own, crowd):
            if len(counted) == round(shown):
                self.understood += 1
                self._add(measure, counted, "", source)
                return True
        self.not_understood += 1
        return False

    def told_of_same(
        self, measure: str, shown: Any, of: list[int], source: str, keep: Callable[[Sent], bool]
    ) -> None:
        """What some events had: errors of requests, for instance. One person may have had all of them
        (docs/privacy.md says so), so it isolates somebody only if these events do."""
        if not isinstance(shown, int | float):
            return
        if sum(keep(self.world.sent[number]) for number in of) == round(shown):
            self.understood += 1
            self._add(measure, of, "", source)
        else:
            self.not_understood += 1

    def _add(self, measure: str, events: list[int], scope: str, source: str) -> None:
        weights = {True: 0, False: 0}
        for number in events:
            weights[self.world.sent[number].person >= LONE] += self._of_event[number]
        self.cells.append(Cell(measure, weights[False] & MASK, weights[True] & MASK, scope, source))

    def told_people(
        self,
        shown: Any,
        events: Iterable[int],
        scope: str,
        source: str,
        keep: Callable[[Sent], bool] = lambda event: True,
    ) -> None:
        """A number of distinct people."""
        if not isinstance(shown, int) or isinstance(shown, bool):
            return
        people = {self.world.sent[number].person for number in events if keep(self.world.sent[number])}
        self.told_set(shown, people, scope, source)

    def told_set(self, shown: Any, people: set[int], scope: str, source: str) -> None:
        """A number of these people."""
        if not isinstance(shown, int) or isinstance(shown, bool):
            return
        if self.world.withdrawn:
            people = people - {LONE}
        if len(people) != shown:
            self.not_understood += 1
            return
        self.understood += 1
        weight = sum(self._of_person[person] for person in people if person < LONE) & MASK
        lone = sum(self._of_person[person] for person in people if person >= LONE) & MASK
        self.cells.append(Cell("people", weight, lone, scope, source))

    def counted(self, shown: Any, events: Iterable[int], keep: Callable[[Sent], bool]) -> list[int] | None:
        """The events that a number of them counts; None where it counts something smaller."""
        own = [number for number in events if keep(self.world.sent[number])]
        for counted in (own, [number for number in own if self.world.sent[number].person < LONE]):
            if isinstance(shown, int | float) and len(counted) == round(shown):
                return counted
        return None

    def first_days(self, include_internal: bool) -> dict[int, date]:
        days: dict[int, date] = {}
        for event in self.world.sent:
            if include_internal or not event.internal:
                days[event.person] = min(days.get(event.person, event.day), event.day)
        return days


class Isolated(NamedTuple):
    """A number of the lone person alone, and the shown numbers it was derived from."""

    measure: str
    by: tuple[str, ...]


def isolated(knowledge: Knowledge) -> list[Isolated]:
    """What follows from one shown number, from two by subtraction, and from three."""
    groups: dict[tuple[str, str], dict[tuple[int, int], str]] = defaultdict(dict)
    for cell in knowledge.cells:
        groups[cell.measure, cell.scope].setdefault((cell.crowd, cell.lone), cell.source)
    found: dict[tuple[str, int], Isolated] = {}
    for (measure, _), cells in groups.items():
        for weight, sources in _derived(cells):
            found.setdefault((measure, weight), Isolated(measure, sources))
    return list(found.values())


def _derived(cells: Mapping[tuple[int, int], str]) -> Iterable[tuple[int, tuple[str, ...]]]:
    """The lone person's weights that remain when the crowd's cancel out, and whence."""
    by_crowd: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for (crowd, lone), source in cells.items():
        by_crowd[crowd].append((lone, source))
    for lone, source in by_crowd.get(0, []):
        if lone:
            yield lone, (source,)
    for same in by_crowd.values():
        for lone, source in same:
            for other, second in same:
                if lone != other:
                    yield _unsigned(lone - other), (source, second)
    rows = list(cells.items())
    for place, ((crowd, lone), source) in enumerate(rows):
        for (crowd_2, lone_2), second in rows[place + 1 :]:
            for whole, third in by_crowd.get((crowd + crowd_2) & MASK, ()):
                if crowd and crowd_2 and whole != (rest := (lone + lone_2) & MASK):
                    yield _unsigned(whole - rest), (third, source, second)


def _unsigned(weight: int) -> int:
    """The same for a weight and its opposite."""
    return min(weight & MASK, -weight & MASK)


def days_between(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
