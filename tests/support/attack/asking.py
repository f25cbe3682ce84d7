"""The attacker's questions: every report under every filter and range, with a key and as staff."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from itertools import combinations
from typing import Any

from django.test import Client

from consent.pseudonyms import pseudonym
from tests.support.attack.cells import Isolated, Knowledge, days_between
from tests.support.attack.world import DAYS, DIMENSIONS, LONE, ORGANIZATIONS, ago

PARTS = {"all": "", "cloud": "cloud", "self_hosted": "self-hosted", "not_reported": "unknown"}
PRESETS = ("7d", "30d", "90d", "12m")
Question = dict[str, str]
Rows = list[dict[str, Any]]


def filters(*, every: bool, organizations: tuple[str, ...]) -> list[Question]:
    """Each filter by itself and, for `every`, all their combinations."""
    names = ("", *(pseudonym("organization", name) for name in organizations))
    chosen = [
        {"deployment": deployment, "org": organization, "internal": internal}
        for deployment in ("", "cloud", "self-hosted", "unknown")
        for organization in names
        for internal in ("", "1")
    ]
    few = [question for question in chosen if sum(bool(value) for value in question.values()) <= 1]
    return [{name: value for name, value in one.items() if value} for one in (chosen if every else few)]


def by_dimensions(*, pairs: bool = True) -> list[Question]:
    """Each value of each dimension; with `pairs`, also two of them, and under other filters."""
    single = [{name: value} for name, values in DIMENSIONS.items() for value in values]
    if not pairs:
        return single
    pairs = [one | other for one, other in combinations(single, 2) if one.keys() != other.keys()]
    others: list[Question] = [{"deployment": name} for name in ("cloud", "self-hosted", "unknown")]
    others += [{"internal": "1"}, {"org": pseudonym("organization", organization_of_lone())}]
    return [*single, *pairs, *(one | other for one in single for other in others)]


def ranges(number: int, presets: Sequence[str] = PRESETS) -> list[Question]:
    """Presets, and custom ranges: those that differ by one day at either end, whole weeks, single days."""
    last = ago(1)
    monday = last - timedelta(days=last.weekday() + 28)
    special = (ago(9), ago(DAYS + 3))
    custom = [
        *((day + timedelta(1), last) for day in special),
        *((day, last) for day in special),
        *((day, day) for day in special),
        *((monday + timedelta(weeks=week), monday + timedelta(weeks=week, days=6)) for week in range(3)),
        (ago(DAYS), ago(9)),
        (ago(DAYS), ago(10)),
        *((ago(DAYS + 15 - step), last) for step in range(15)),
        *((ago(DAYS + 15), ago(step)) for step in range(2, 16)),
    ]
    return [{"range": name} for name in presets] + [
        {"from": first.isoformat(), "to": end.isoformat()} for first, end in custom[:number]
    ]


class Attacker:
    """Asks, and notes what was told."""

    def __init__(self, knowledge: Knowledge, *, headers: Mapping[str, str], staff: Client) -> None:
        self.knowledge, self.headers, self.staff = knowledge, headers, staff
        self.asked = self.refused = 0

    def _get(self, report: str, question: Question) -> dict[str, Any] | None:
        self.asked += 1
        response = Client().get(f"/api/reports/{report}", question, headers=self.headers)
        if response.status_code in (400, 403):
            self.refused += 1
            return None
        assert response.status_code == 200, response.content
        answer: dict[str, Any] = response.json()
        return answer

    def ask_everything(
        self, questions: list[Question], spans: list[Question], *, details: bool, thorough: bool
    ) -> None:
        """`details`: pages of single names, files, and periods before. `thorough`: errors and timings of each
        span, too."""
        for span in spans:
            for question in questions:
                self.features({**question, **span})
                self.endpoints({**question, **span})
                self.active_users({**question, **span})
                if thorough or "from" not in span:
                    self.errors({**question, **span})
                    self.timings({**question, **span})
                if "from" not in span:
                    self.active_users({**question, **span, "activity": "login"})
                    self.retention({**question, **span})
        for question in questions if details else ():
            for name in ("export", "timer", "secret_plan", "page_view"):
                self.feature_page(name, {**question, "range": "30d"})
            for name in ("/items", "/orders", "/secret-plan"):
                self.endpoint_page(name, {**question, "range": "30d"})
            self.files({**question, "range": "30d"})
            self.compared({**question, "range": "7d"})

    def _within(self, answer: Mapping[str, Any], question: Question) -> tuple[list[int], str, str]:
        """The events that the question lets through, the name of its range, and the question in words."""
        first, last = (date.fromisoformat(answer["filters"][name]) for name in ("from", "to"))
        told = " ".join(f"{name}={value[:8]}" for name, value in question.items() if "range" not in name)
        events = self.knowledge.chosen(question, first, last)
        return events, f"{first} {last}", f"{told} {first} to {last}"

    def features(self, question: Question) -> None:
        if answer := self._get("feature-adoption", {**question, "compare": "0"}):
            events, scope, words = self._within(answer, question)
            self.knowledge.told_people(answer["active_users"], events, scope, f"active people, {words}")
            self._features(answer["rows"], events, scope, words)
            days = [date.fromisoformat(day) for day in answer["days"]]
            for name, trend in answer["trends"].items():
                for day, shown in zip(days, trend, strict=True):
                    if not self.knowledge.is_new(name, day, shown, *_filters_of(question)):
                        continue
                    self.knowledge.told_people(
                        shown,
                        self.knowledge.chosen(question, day, day),
                        f"{day} {day}",
                        f"people of {name} on {day}, {words}",
                        lambda event, name=name, day=day: event.what == name and event.day == day,
                    )

    def _features(self, rows: Rows, events: list[int], scope: str, words: str) -> None:
        for row in rows:
            name = row["feature"]
            shown = row["uses"]
            if not _is_number(shown) and _is_number(row["uses_per_user"]) and _is_number(row["users"]):
                shown = round(float(row["uses_per_user"]) * float(row["users"]))
            self.knowledge.told_events(
                "uses",
                _number(shown),
                events,
                f"uses of {name}, {words}",
                lambda event, name=name: event.kind == "feature" and event.what == name,
            )
            self.knowledge.told_people(
                _number(row["users"]),
                events,
                scope,
                f"people of {name}, {words}",
                lambda event, name=name: event.kind == "feature" and event.what == name,
            )

    def endpoints(self, question: Question) -> None:
        if not (answer := self._get("endpoint-performance", {**question, "compare": "0"})):
            return
        events, scope, words = self._within(answer, question)
        for row in [*answer["rows"], answer["total"]]:
            self._endpoint(row, row["endpoint"], events, scope, words)
        for day in answer["days"]:
            at = date.fromisoformat(day["day"])
            told = (day["requests"], day["errors"], day["users"])
            if not self.knowledge.is_new("endpoints", at, told, *_filters_of(question)):
                continue
            of_day = self.knowledge.chosen(question, at, at)
            self._endpoint(day, "", of_day, f"{at} {at}", f"on {at}, {words}")

    def _endpoint(self, row: dict[str, Any], name: str, events: list[int], scope: str, words: str) -> None:
        def all_of_it(event: Any) -> bool:
            return event.kind == "endpoint" and name in ("", event.what)

        tell, what = self.knowledge.told_events, name or "everything"
        of = self.knowledge.counted(row["requests"], events, all_of_it)
        tell("requests", row["requests"], events, f"requests of {what}, {words}", all_of_it)
        if of is not None:
            self._errors(row, of, f"errors of {what}, {words}")
        self.knowledge.told_people(row["users"], events, scope, f"people of {what}, {words}", all_of_it)

    def _errors(self, row: dict[str, Any], requests: list[int], words: str) -> None:
        """Errors and durations are those of the same requests."""
        same = self.knowledge.told_of_same
        if _is_number(row.get("mean_ms")):
            same("duration", len(requests), requests, words, lambda event: True)
        errors = row["errors"]
        if not _is_number(errors) and _is_number(row.get("error_rate")) and _is_number(row["requests"]):
            errors = round(row["error_rate"] * row["requests"])
        same("errors", errors, requests, words, lambda event: event.status >= 500)

    def errors(self, question: Question) -> None:
        if not (answer := self._get("errors", {**question, "compare": "0"})):
            return
        events, scope, words = self._within(answer, question)
        for row in answer["rows"]:
            name = row["error_type"]
            if name.isdigit():
                continue  # a status, which the endpoints tell

            def own(event: Any, name: str = name) -> bool:
                return bool(event.error == name)

            of = f"occurrences of {name}, {words}"
            self.knowledge.told_events("occurrences", row["occurrences"], events, of, own)
            self.knowledge.told_people(row["users"], events, scope, f"people of {name}, {words}", own)

    def timings(self, question: Question) -> None:
        if not (answer := self._get("timings", {**question, "compare": "0"})):
            return
        events, scope, words = self._within(answer, question)
        for row in answer["rows"]:

            def own(event: Any, name: str = row["name"]) -> bool:
                return event.kind == "feature" and not event.error and name.startswith(event.what)

            self.knowledge.told_events("calls", row["calls"], events, f"calls of {row['name']}, {words}", own)
            self.knowledge.told_people(row["users"], events, scope, f"people of {row['name']}, {words}", own)

    def active_users(self, question: Question) -> None:
        if not (answer := self._get("daily-active-users", {**question, "compare": "0"})):
            return
        events, scope, words = self._within(answer, question)
        activity = question.get("activity", "")
        told = partial(self._told_active, activity)
        told(answer["users_so_far"], events, f"{activity}{scope}", f"active people, {words}")
        everywhere = {name: value for name, value in question.items() if name != "deployment"}
        for row in answer["rows"]:
            day = date.fromisoformat(row["date"])
            for part, deployment in PARTS.items():
                of = question if part == "all" else {**everywhere, "deployment": deployment}
                if not self.knowledge.is_new(f"active{activity}", day, row[part], *_filters_of(of)):
                    continue
                told(
                    row[part],
                    self.knowledge.chosen(of, day, day),
                    f"{activity}{day} {day}",
                    f"{part} on {day}, {words}",
                )
        if activity:
            return
        for page in (answer["sessions"] or {}).get("pages", ()):
            path = page["path"]
            self.knowledge.told_people(
                page["users"],
                events,
                scope,
                f"people on {path}, {words}",
                lambda event, path=path: event.page == path,
            )
            self.knowledge.told_events(
                "views",
                page["views"],
                events,
                f"views of {path}, {words}",
                lambda event, path=path: event.page == path,
            )
        if "from" not in question and not activity:  # presets reach every day
            self._windows(answer, question, words)

    def _told_active(self, activity: str, shown: Any, events: list[int], scope: str, words: str) -> None:
        """Those who signed in are others than those who were active: they are compared among themselves."""
        self.knowledge.told_people(
            shown, events, scope, words, lambda event: not activity or event.kind == "login"
        )

    def _windows(self, answer: dict[str, Any], question: Question, words: str) -> None:
        """Steps of the people of 7 and 28 days against days whose own people are hidden."""
        hidden = {row["date"] for row in answer["rows"] if not _is_number(row["all"])}
        for metric, width in (("wau", 7), ("mau", 28)) if hidden else ():
            windows = self._get("daily-active-users", {**question, "compare": "0", "metric": metric})
            for row in windows["rows"] if windows else ():
                day = date.fromisoformat(row["date"])
                for at in {day, day + timedelta(1), day - timedelta(width - 1), day - timedelta(width)}:
                    beside = (metric, day, at, row["all"], *_filters_of(question))
                    if at.isoformat() in hidden and self.knowledge.is_new(*beside):
                        self.knowledge.told_people(
                            _number(row["all"]),
                            self.knowledge.chosen(question, day - timedelta(width - 1), day),
                            f"{metric} beside {at}",
                            f"{metric} on {day}, {words}",
                        )

    def retention(self, question: Question) -> None:
        if not (answer := self._get("retention", {**question, "compare": "0"})):
            return
        scope, words = self._within(answer, question)[1:]
        came = Came(self.knowledge, question)
        told = self.knowledge.told_set
        for row in answer["rows"]:
            first, last = (date.fromisoformat(row[name]) for name in ("from", "to"))
            days, cohort = set(days_between(first, last)), f"new {first} {last}"
            of = f"{first} to {last}, {words}"
            told(_number(row["users"]), came.new(days), cohort, f"new people {of}")
            told(_number(row["mature"]), came.over(days, 7), cohort, f"mature people {of}")
            told(_number(row["retained"]), came.within(days, 7), cohort, f"people who came back {of}")
            for week in range(12) if row["cohort"] == "week" else ():
                since = 7 * week - first.weekday()
                told(
                    _number(row[f"week_{week}"]),
                    came.on(days, {first + timedelta(days=since + number) for number in range(7)}),
                    cohort if week == 0 else f"{cohort} week {week}",
                    f"people in week {week} {of}",
                )
        first, last = (date.fromisoformat(answer["filters"][name]) for name in ("from", "to"))
        days = set(days_between(first, last))
        for day in answer["curve"]:
            n, of = day["n"], f"of day {day['n']}, {words}"
            told(day["eligible"], came.over(days, n), f"curve {scope}", f"eligible {of}")
            told(day["on_day"], came.after(days, n, n), f"curve {scope} {n}", f"on it {of}")
            told(day["on_or_after"], came.after(days, n, 400), f"curve {scope} {n}", f"later {of}")

    def feature_page(self, name: str, question: Question) -> None:
        response = self.staff.get(f"/dashboards/features/{name}/", {**question, "compare": "0"})
        report = (response.context or {}).get("report") if response.status_code == 200 else None
        if report is None or not hasattr(report, "actions"):
            return
        self.asked += 1
        first, last = report.filters.first, report.filters.last
        events = self.knowledge.chosen(question, first, last)
        words = f"page of {name}, {' '.join(question.values())}"

        def own(event: Any) -> bool:
            return event.kind == "feature" and event.what == name

        tell, told = self.knowledge.told_events, self.knowledge.told_people
        tell("uses", report.uses_so_far, events, f"uses, {words}", own)
        told(report.users_so_far, events, f"{first} {last}", f"people, {words}", own)
        for day in report.days:
            of_day = [number for number in events if self.knowledge.world.sent[number].day == day.day]
            tell("uses", day.uses, of_day, f"uses on {day.day}, {words}", own)
            told(day.users, of_day, f"{day.day} {day.day}", f"people on {day.day}, {words}", own)
        for row in report.actions:
            tell(
                "uses",
                row.uses,
                events,
                f"uses of action {row.action}, {words}",
                lambda event, action=row.action: own(event) and event.action == action,
            )
        for row in report.deployments:
            told(
                row.users,
                self.knowledge.chosen({**question, "deployment": row.deployment}, first, last),
                f"{first} {last}",
                f"people of {row.deployment}, {words}",
                own,
            )

    def endpoint_page(self, name: str, question: Question) -> None:
        asked = {**question, "compare": "0", "endpoint": name, "method": "GET"}
        response = self.staff.get("/dashboards/endpoints/detail/", asked)
        report = (response.context or {}).get("report") if response.status_code == 200 else None
        if report is None or not hasattr(report, "statuses"):
            return
        self.asked += 1
        first, last = report.filters.first, report.filters.last
        events = self.knowledge.chosen(question, first, last)
        words = f"page of {name}, {' '.join(question.values())}"
        self._endpoint(report.total._asdict(), name, events, f"{first} {last}", words)
        for day in report.days:
            of_day = [number for number in events if self.knowledge.world.sent[number].day == day.day]
            self._endpoint(day._asdict(), name, of_day, f"{day.day} {day.day}", f"on {day.day}, {words}")
        of = self.knowledge.counted(
            report.total.requests, events, lambda event: event.kind == "endpoint" and event.what == name
        )
        for status in report.statuses if of is not None else ():
            self.knowledge.told_of_same(
                status.status,
                status.requests,
                of or [],
                f"{status.status}, {words}",
                lambda event, status=status: f"{event.status // 100}xx" == status.status,
            )

    def files(self, question: Question) -> None:
        """The same rows as files: what JSON hides must not stand there."""
        for report in ("feature-adoption", "endpoint-performance", "daily-active-users"):
            sent = {**question, "compare": "0", "format": "csv"}
            response = Client().get(f"/api/reports/{report}", sent, headers=self.headers)
            if response.status_code != 200:
                continue
            self.asked += 1
            rows: Rows = list(csv.DictReader(io.StringIO(response.content.decode())))
            if not rows:
                continue
            first, last = (date.fromisoformat(rows[0][f"asked_{name}"]) for name in ("from", "to"))
            events = self.knowledge.chosen(question, first, last)
            scope, words = f"{first} {last}", f"CSV {' '.join(question.values())}"
            if report == "feature-adoption":
                self._features(rows, events, scope, words)
            for row in rows:
                plain = {name: _number(value) for name, value in row.items()}
                if report == "endpoint-performance":
                    self._endpoint(plain, row["endpoint"], events, scope, words)
                elif report == "daily-active-users":
                    day = date.fromisoformat(row["date"])
                    of_day = self.knowledge.chosen(question, day, day)
                    self.knowledge.told_people(plain["all"], of_day, f"{day} {day}", f"on {day}, {words}")

    def compared(self, question: Question) -> None:
        """The period before, which stands beside."""
        if answer := self._get("feature-adoption", question):
            events, scope, words = self._before(answer, question)
            for row in answer["rows"]:
                self.knowledge.told_people(
                    row["previous_users"],
                    events,
                    scope,
                    f"people of {row['feature']} before, {words}",
                    lambda event, name=row["feature"]: event.kind == "feature" and event.what == name,
                )
        if (answer := self._get("endpoint-performance", question)) and answer["previous"]:
            events, scope, words = self._before(answer, question)
            self._endpoint(answer["previous"], "", events, scope, f"before, {words}")
        if answer := self._get("daily-active-users", question):
            events, scope, words = self._before(answer, question)
            self.knowledge.told_people(
                answer["headline"]["period_users"]["before"], events, scope, f"active before, {words}"
            )

    def _before(self, answer: Mapping[str, Any], question: Question) -> tuple[list[int], str, str]:
        return self._within({"filters": answer["compared_with"]}, question)


class Came:
    """Who was new on which days, and who came when, under the filters of a question."""

    def __init__(self, knowledge: Knowledge, question: Question) -> None:
        first_days = knowledge.first_days(question.get("internal") == "1")
        self._days: dict[int, set[date]] = defaultdict(set)
        for number in knowledge.chosen(question, date.min, date.max):
            event = knowledge.world.sent[number]
            self._days[event.person].add(event.day)
        self._first = {
            person: day for person, day in first_days.items() if day in self._days.get(person, set())
        }

    def new(self, days: set[date]) -> set[int]:
        return {person for person, first in self._first.items() if first in days}

    def over(self, days: set[date], n: int) -> set[int]:
        """New people whose day `n` is over."""
        return {person for person in self.new(days) if self._first[person] + timedelta(days=n) < ago(0)}

    def within(self, days: set[date], n: int) -> set[int]:
        """Those of them who came on one of the days up to `n`."""
        return {person for person in self.over(days, n) if self._came(person, 1, n)}

    def after(self, days: set[date], n: int, until: int) -> set[int]:
        """Those of them who came on a day from `n` to `until`."""
        return {person for person in self.over(days, n) if self._came(person, n, until)}

    def on(self, days: set[date], others: set[date]) -> set[int]:
        """New people who were there on one of the other days."""
        return {person for person in self.new(days) if self._days[person] & others}

    def _came(self, person: int, low: int, high: int) -> bool:
        return any(low <= (day - self._first[person]).days <= high for day in self._days[person])


def _filters_of(question: Question) -> tuple[str, ...]:
    return tuple(question.get(name, "") for name in ("deployment", "org", "internal", *DIMENSIONS))


def _is_number(shown: Any) -> bool:
    if isinstance(shown, str):
        return shown.replace(".", "", 1).isdigit()
    return isinstance(shown, int | float)


def _number(shown: Any) -> Any:
    """A CSV file's text as a number."""
    if not isinstance(shown, str) or not _is_number(shown):
        return shown
    return float(shown) if "." in shown else int(shown)


def all_organizations(variation: str) -> tuple[str, ...]:
    """Those that the variation has."""
    with_lone = variation in ("organization", "account reports")
    return (*ORGANIZATIONS, "lone-works") if with_lone else ORGANIZATIONS


def organization_of_lone() -> str:
    return ORGANIZATIONS[LONE % len(ORGANIZATIONS)]


def described(found: Iterable[Isolated]) -> str:
    return "\n".join(f"  {one.measure}: {' minus '.join(one.by)}" for one in found)
