"""Demo events, as lines for `COPY`: sessions first, then what people do in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.demo import outcomes
from analytics.demo.origins import Origins
from analytics.demo.people import Integers, Population
from analytics.demo.product import CUSTOMERS, ENDPOINTS, FEATURES, PAGES
from analytics.storage.event_tables import COMMON_COLUMNS, TABLES
from consent.pseudonyms import anonymous_user, demo_id, pseudonym

CHUNK = 20_000  # lines
DAY_US = 86_400_000_000  # microseconds
ACTIVITY = {"login": 0.45, "session_start": 1.0, "session_end": 0.5, "logout": 0.15}  # share of sessions
# Of each table: its name, and its columns in the order in which `lines` writes them.
COLUMNS = {
    key: (table.name, tuple(name for name, _ in COMMON_COLUMNS + table.columns))
    for key, table in TABLES.items()
}


@dataclass(frozen=True)
class Sessions:
    """One session per entry; times in microseconds since 1970."""

    person: Integers
    day: Integers
    starts: Integers
    length: Integers
    ends_us: int  # nothing happens later than this


@dataclass(frozen=True)
class Events:
    """One event per entry of one table, in order of time. `what` indexes the table's own kinds."""

    table: str
    times: Integers
    person: Integers
    session: Integers
    what: Integers
    extra: dict[str, NDArray[Any]]


def sessions(random: np.random.Generator, people: Population, now: datetime) -> Sessions:
    """One or two sessions per person and day, in their working hours, none that begins after `now`.

    The hour depends on the person's time zone. The day is the UTC day: nobody is seen before they signed up.
    """
    pairs = people.present[
        np.repeat(np.arange(len(people.present)), 1 + (random.random(len(people.present)) < 0.15))
    ]
    morning = random.random(len(pairs)) < 0.55
    hour = np.where(morning, random.normal(9.8, 1.6, len(pairs)), random.normal(14.6, 2.1, len(pairs)))
    hour = (hour - people.zone[pairs[:, 0]]) % 24
    begin = datetime.combine(people.first_day, datetime.min.time(), UTC)
    first_us = int(begin.timestamp()) * 1_000_000
    starts = first_us + pairs[:, 1] * DAY_US + (hour * 3_600_000_000).astype(np.int64)
    length = np.clip(random.lognormal(7.0, 0.9, len(pairs)), 20, 10_000) * 1_000_000
    now_us = int(now.timestamp()) * 1_000_000
    begun = starts < now_us
    return Sessions(pairs[begun, 0], pairs[begun, 1], starts[begun], length[begun].astype(np.int64), now_us)


def all_events(
    random: np.random.Generator, people: Population, visits: Sessions, total: int
) -> dict[str, Events]:
    """`total` events in the three tables: those of every session, and the rest spread over sessions."""
    activity = _activity(random, visits, total // 2)
    left = total - len(activity.times)
    uses = int(left * 0.42)
    return {
        "activity": activity,
        "feature": _features(random, people, visits, uses),
        "endpoint": _endpoints(random, people, visits, left - uses),
    }


def _activity(random: np.random.Generator, visits: Sessions, at_most: int) -> Events:
    n = len(visits.starts)
    chosen, what, times = [], [], []
    for kind, share in enumerate(ACTIVITY.values()):
        having = np.flatnonzero(random.random(n) < share)
        chosen.append(having)
        what.append(np.full(len(having), kind))
        times.append(visits.starts[having] + (1_000_000 * kind if kind < 2 else visits.length[having]))
    session, kinds, at = np.concatenate(chosen), np.concatenate(what), np.concatenate(times)
    keep = np.flatnonzero(at <= visits.ends_us)
    if len(keep) > at_most:
        keep = random.choice(keep, at_most, replace=False)
    return _ordered("activity", visits, session[keep], at[keep], kinds[keep])


def _within(
    random: np.random.Generator, people: Population, visits: Sessions, n: int
) -> tuple[Integers, Integers]:
    """`n` moments within sessions, more in those of busy people: the session and time of each."""
    length = np.minimum(visits.length, visits.ends_us - visits.starts)
    weight = people.intensity[visits.person] * np.sqrt(length)
    session = random.choice(len(weight), size=n, p=weight / weight.sum())
    return session, visits.starts[session] + (random.random(n) * length[session]).astype(np.int64)


def _features(random: np.random.Generator, people: Population, visits: Sessions, n: int) -> Events:
    session, at = _within(random, people, visits, n)
    weights = np.array([feature.weight for feature in FEATURES])
    what = random.choice(len(FEATURES), size=n, p=weights / weights.sum())
    growth = np.array([feature.growth for feature in FEATURES])[what]
    age = visits.day[session] / people.days
    share = np.where(growth >= 0, 1 - growth * (1 - age), 1 + growth * age)
    reach = random.random((len(people.intensity), len(FEATURES))) < [feature.reach for feature in FEATURES]
    unlikely = (random.random(n) > share) | ~reach[visits.person[session], what]
    what[unlikely] = random.integers(0, 3, int(unlikely.sum()))  # the three that everyone uses
    counts = np.array([len(feature.actions) for feature in FEATURES])[what]
    action = np.minimum((random.random(n) ** 1.6 * counts).astype(np.int64), counts - 1)
    page = random.integers(0, len(PAGES), n)
    return _ordered("feature", visits, session, at, what, action=action, page=page)


def _endpoints(random: np.random.Generator, people: Population, visits: Sessions, n: int) -> Events:
    session, at = _within(random, people, visits, n)
    weights = np.array([endpoint.weight for endpoint in ENDPOINTS])
    what = random.choice(len(ENDPOINTS), size=n, p=weights / weights.sum())
    p50 = np.array([endpoint.p50_ms for endpoint in ENDPOINTS])[what]
    spread = np.log([endpoint.p95_ms / endpoint.p50_ms for endpoint in ENDPOINTS])[what] / 1.645
    days_left = people.days - 1 - visits.day[session]
    factor = np.where(days_left < 12, np.array([endpoint.slower for endpoint in ENDPOINTS])[what], 1.0)
    bad_days = (days_left >= 6) & (days_left <= 8)
    factor = factor * np.where(bad_days & (what % 4 == 1), 2.2, 1.0)  # three, for a part of the endpoints
    duration = np.round(p50 * factor * np.exp(random.normal(0, 1, n) * spread), 2)
    failed = random.random(n) < np.array([endpoint.error_rate for endpoint in ENDPOINTS])[what] * factor
    status = np.where(random.random(n) < 0.012, 404, np.where(random.random(n) < 0.03, 304, 200))
    status = np.where(failed, np.where(random.random(n) < 0.8, 500, 503), status)
    anonymous = random.random(n) < np.array([endpoint.anonymous for endpoint in ENDPOINTS])[what]
    rare = (what == len(ENDPOINTS) - 1) & (visits.person[session] % 97 != 0)
    what[rare] = 0
    return _ordered(
        "endpoint", visits, session, at, what, status=status, duration=duration, anonymous=anonymous
    )


def _ordered(
    table: str, visits: Sessions, session: Integers, at: Integers, what: Integers, **extra: NDArray[Any]
) -> Events:
    order = np.argsort(at, kind="stable")
    picked = {name: values[order] for name, values in extra.items()}
    return Events(table, at[order], visits.person[session[order]], session[order], what[order], picked)


class Pseudonyms:
    """The pseudonyms of the demo's raw ids, computed once each."""

    def __init__(self, people: int, session_count: int) -> None:
        self.people = [pseudonym("user", demo_id("user", number)) for number in range(people)]
        self.organizations = [
            pseudonym("organization", demo_id("organization", number)) for number in range(len(CUSTOMERS))
        ]
        self.sessions = [pseudonym("session", demo_id("session", number)) for number in range(session_count)]


def lines(
    random: np.random.Generator,
    events: Events,
    people: Population,
    names: Pseudonyms,
    origins: Origins,
) -> Iterator[tuple[int, str]]:
    """Blocks of COPY text for one table, with the number of lines in each."""
    customers = people.customer[events.person]
    stamps = np.datetime_as_string(events.times.astype("datetime64[us]"))
    for start in range(0, len(events.times), CHUNK):
        part = slice(start, start + CHUNK)
        size = len(events.times[part])
        digits = random.bytes(size * 9).hex()
        block = []
        own_columns = _own_columns(events, part, names, origins)
        origin = origins.of_session[events.session[part]].tolist()
        who = zip(events.person[part].tolist(), customers[part].tolist(), strict=True)
        moments = zip(stamps[part].tolist(), (events.times[part] // 1000).tolist(), strict=True)
        for i, ((person, customer), (stamp, ms), (anonymous, metadata, rest), where) in enumerate(
            zip(who, moments, own_columns, origin, strict=True)
        ):
            d = digits[i * 18 : i * 18 + 18]
            organization = names.organizations[customer]
            user = anonymous_user(organization=organization) if anonymous else names.people[person]
            kind = CUSTOMERS[customer]
            block.append(
                f"{ms:012x}8{d[:3]}8{d[3:]}\t{stamp}Z\t{user}\t{organization}\t{kind.deployment_type}\t"
                f"{'t' if kind.is_internal else 'f'}\t{{{origins.texts[where]}{metadata}}}\t{rest}\n"
            )
        yield size, "".join(block)


def _own_columns(
    events: Events, part: slice, names: Pseudonyms, origins: Origins
) -> Iterator[tuple[bool, str, str]]:
    """For each event: whether it is anonymous, what its metadata has besides the origin, the own columns."""
    what = events.what[part].tolist()
    if events.table == "activity":
        names_of_activity = list(ACTIVITY)
        for kind, session in zip(what, events.session[part].tolist(), strict=True):
            yield False, "", f"{names_of_activity[kind]}\t{names.sessions[session]}"
    elif events.table == "feature":
        is_newest = outcomes.newest(origins.texts)[origins.of_session[events.session[part]]]
        uses = outcomes.DemoUses(events.what[part], events.extra["action"][part], is_newest)
        extra = [events.extra[name][part].tolist() for name in ("action", "page")]
        for kind, action, page, end in zip(what, *extra, outcomes.of_uses(uses, part.start), strict=True):
            feature = FEATURES[kind]
            metadata = f', "page.path": "{PAGES[page]}"' if feature.name == "page_view" else ""
            yield False, metadata + end, f"{feature.name}\t{feature.actions[action]}"
    else:
        columns = [events.extra[name][part].tolist() for name in ("status", "duration", "anonymous")]
        ends = outcomes.of_requests(what, columns[0])
        for kind, status, duration, anonymous, end in zip(what, *columns, ends, strict=True):
            endpoint = ENDPOINTS[kind]
            yield anonymous, end, f"{endpoint.path}\t{endpoint.method}\t{status}\t{duration}"


def counts_by(events: dict[str, Events], width: timedelta, since: datetime) -> dict[datetime, int]:
    """How many events there are in each stretch of `width` from `since` on: the demo's traffic counts."""
    seconds = int(width.total_seconds())
    times = np.concatenate([one.times for one in events.values()])
    times = times[times >= int(since.timestamp()) * 1_000_000]
    starts, counts = np.unique(times // (seconds * 1_000_000), return_counts=True)
    return {
        datetime.fromtimestamp(start * seconds, UTC): count
        for start, count in zip(starts.tolist(), counts.tolist(), strict=True)
    }
