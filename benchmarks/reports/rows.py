"""Encodes a day's events for a binary COPY, column by column.

Rows whose texts have the same lengths have their fields in the same places, so that each group of
such rows is one numpy array of records.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.reports.crowd import DEPLOYMENTS, ELSEWHERE, SECOND_APP, Crowd, Integers, Size

HOUR_US = 3_600_000_000
SHARES = {"activity": 0.12, "feature": 0.33, "endpoint": 0.55}
ANONYMOUS = np.bytes_(b"anon:" + b"0" * 27)
ACTIVITIES = (b"login", b"session_start", b"session_end")
METHODS = (b"GET", b"GET", b"GET", b"POST", b"PATCH", b"DELETE")
ACTIONS = (b"opened", b"changed", b"shared", b"exported")
PAGES = 25
RUN = 20_000  # rows
ENDING = 0.2  # share of uses that say how they ended: how long they took, and some of them an error
ENDS = [
    f', "duration_ms": {1.3**step:.1f}, "memory_mb": {64 + step}'
    + (f', "error.type": "Error{step:c}", "code.function.name": "app.part_{step:c}.run"' if step > 64 else "")
    + "}"
    for step in (*range(1, 40), *range(65, 77))
]
APPS = ("shop-web", "till")
VERSIONS = ("5.9.3", "5.10.0", "5.11.0-rc.1")
ENVIRONMENTS = ("production", "staging")
PLATFORMS = ("Windows", "Linux", "macOS", "Android", "web")
ORIGINS = [  # jsonb, not closed
    f'\x01{{"app": "{app}", "platform": "{platform}", "app_version": "{version}", "environment": "{kind}"'
    for app in APPS
    for version in VERSIONS
    for kind in ENVIRONMENTS
    for platform in PLATFORMS
]


class Column(NamedTuple):
    """A text column: for each row the number of one of these texts."""

    number: Integers
    texts: Sequence[bytes]


class Day(NamedTuple):
    """A day's events in order of time (µs since 2000), before they are distributed to tables."""

    times: Integers
    person: Integers
    organization: Integers


def events(random: np.random.Generator, people: Crowd, person: Integers, day: int, begin_us: int) -> Day:
    """An event for each entry of `person`, at some time of the day that begins at `begin_us`."""
    n = len(person)
    hours = np.where(random.random(n) < 0.5, random.normal(10, 2, n), random.normal(15, 2.5, n)) % 24
    times = np.sort(begin_us + (hours * HOUR_US).astype(np.int64))
    second = people.second[person]
    abroad = (second >= 0) & ((person + day) % 3 == 0)
    return Day(times, person, np.where(abroad, second, people.organization[person]))


def tables(
    random: np.random.Generator, people: Crowd, size: Size, day: Day
) -> Iterator[tuple[str, list[bytes], int]]:
    """Each table's key, the blocks of its COPY, and how many rows they hold."""
    table = random.choice(len(SHARES), len(day.times), p=list(SHARES.values()))
    for number, key in enumerate(SHARES):
        chosen = np.flatnonzero(table == number)
        some = Day(*(column[chosen] for column in day))
        yield key, list(_blocks(random, people, size, some, key)), len(chosen)


def _blocks(random: np.random.Generator, people: Crowd, size: Size, day: Day, key: str) -> Iterator[bytes]:
    n = len(day.times)
    user = people.pseudonyms[day.person]
    origin = _origins(random, people, day)
    metadata = Column(origin, [f"{text}}}".encode() for text in ORIGINS])
    numbers: list[tuple[str, NDArray[Any]]] = []
    if key == "activity":
        # One session for each person and day: its pseudonym is made of both.
        session = np.char.add(
            user.astype("S24"), np.char.zfill((day.times // (24 * HOUR_US)).astype("S8"), 8)
        )
        texts = [Column(random.choice(3, n, p=(0.5, 0.3, 0.2)), ACTIVITIES)]
        numbers = [("S32", session)]
    elif key == "feature":
        name = skewed(random, n, size.features)
        views = name == 0
        endings = ["}", *(f', "page.path": "/pages/{page:02d}"}}' for page in range(PAGES)), *ENDS]
        ending = np.where(views, 1 + skewed(random, n, PAGES), 0)
        ends = ~views & (random.random(n) < ENDING)
        ending = np.where(ends, 1 + PAGES + random.integers(0, len(ENDS), n), ending)
        texts_of = [f"{text}{end}".encode() for text in ORIGINS for end in endings]
        metadata = Column(origin * len(endings) + ending, texts_of)
        names = [b"page_view", *(b"feature-%02d" % number for number in range(1, size.features))]
        texts = [Column(name, names), Column(skewed(random, n, len(ACTIONS)), ACTIONS)]
    else:
        endpoint = skewed(random, n, size.endpoints)
        slow = 3.0 + endpoint % 7 / 2
        duration = np.exp(random.normal(slow, 0.3 + endpoint % 4 / 4))
        status = np.where(random.random(n) < 0.004 * (1 + endpoint % 9), 503, 200)
        user = np.where(random.random(n) < 0.1, ANONYMOUS, user)
        names = [b"/api/v1/resources-%02d/{id}" % number for number in range(size.endpoints)]
        texts = [Column(endpoint, names), Column(endpoint % len(METHODS), METHODS)]
        numbers = [(">i4", status), (">f8", duration)]
    organization = people.organizations[day.organization]
    internal = people.is_internal[day.organization]
    deployment = Column(people.deployment[day.organization], DEPLOYMENTS)
    fixed = [
        ("V16", np.frombuffer(random.bytes(16 * n), dtype="V16")),
        (">i8", day.times),
        ("S32", user),
        ("S32", organization),
        deployment,
        ("?", internal),
        metadata,
    ]
    yield from _records([*fixed, *texts, *numbers], n)


def _origins(random: np.random.Generator, people: Crowd, day: Day) -> Integers:
    """For each event the number of its values in ORIGINS: as its person usually has them, or others."""
    n, usual = len(day.times), people.usual
    app = (usual["app"][day.person] + (random.random(n) < SECOND_APP)) % len(APPS)
    moved = random.integers(1, len(PLATFORMS), n) * (random.random(n) < ELSEWHERE)
    platform = (usual["platform"][day.person] + moved) % len(PLATFORMS)
    kind = usual["environment"][day.organization]
    version = usual["version"][day.person]
    return ((app * len(VERSIONS) + version) * len(ENVIRONMENTS) + kind) * len(PLATFORMS) + platform


def skewed(random: np.random.Generator, n: int, kinds: int) -> Integers:
    """Numbers below `kinds`, small ones far more often: the first about `kinds` ** 0.7 times the last."""
    weight = 1 / (np.arange(kinds) + 1) ** 0.9
    return random.choice(kinds, n, p=weight / weight.sum())


def _records(columns: Sequence[Column | tuple[str, NDArray[Any]]], n: int) -> Iterator[bytes]:
    """The rows in PostgreSQL's format, grouped by the lengths of their texts."""
    texts = [column for column in columns if isinstance(column, Column)]
    key = np.zeros(n, dtype=np.int64)
    for column in texts:
        lengths = np.array([len(text) for text in column.texts])
        key = key * 256 + lengths[column.number]
    # Nearly in order of time, as they would arrive.
    runs = [(run, group) for run in range(0, n, RUN) for group in np.unique(key[run : run + RUN])]
    for run, group in runs:
        chosen = run + np.flatnonzero(key[run : run + RUN] == group)
        fields, values = [("fields", ">i2")], [np.full(len(chosen), len(columns))]
        for place, column in enumerate(columns):
            if isinstance(column, Column):
                some = np.array(column.texts, dtype=bytes)[column.number[chosen]]
                kind = f"S{len(column.texts[column.number[chosen[0]]])}"
            else:
                kind, some = column[0], column[1][chosen]
            bytes_of = np.dtype(kind).itemsize
            fields += [(f"length{place}", ">i4"), (f"value{place}", kind)]
            values += [np.full(len(chosen), bytes_of), some]
        records = np.empty(len(chosen), dtype=fields)
        for (name, _), column_values in zip(fields, values, strict=True):
            records[name] = column_values
        yield records.tobytes()
