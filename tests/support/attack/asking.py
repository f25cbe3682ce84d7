"""The attacker's questions: every report under every filter and range, with a key and as staff."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django.test import Client

from consent.pseudonyms import pseudonym
from tests.support.attack.cells import Isolated, Knowledge, days_between
from tests.support.attack.world import DAYS, LONE, ORGANIZATIONS, ago

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

    def ask_everything(self, questions: list[Question], spans: list[Question], *, details: bool) -> None:
        for span in spans:
            for question in questions:
                self.features({**question, **span})
                self.endpoints({**question, **span})
                self.active_users({**question, **span})
                if "from" not in span:
                    self.retention({**question, **span})
        if details:
            for question in questions:
                for name in ("export", "timer", "secret_plan", "page_view"):
                    self.feature_page(name, {**question, "range": "30d"})
                self.csv({**question, "range": "30d"})

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
        told = tell("requests", row["requests"], events, f"requests of {what}, {words}", all_of_it)
        if told and _is_number(row.get("mean_ms")):
            tell("duration", row["requests"], events, f"mean of {what}, {words}", all_of_it)
        errors = row["errors"]
        if not _is_number(errors) and _is_number(row.get("error_rate")) and _is_number(row["requests"]):
            errors = round(row["error_rate"] * row["requests"])
        tell(
            "errors",
            errors,
            events,
            f"errors of {what}, {words}",
            lambda event: all_of_it(event) and event.status >= 500,
        )
        self.knowledge.told_people(row["users"], events, scope, f"people of {what}, {words}", all_of_it)

    def active_users(self, question: Question) -> None:
        if not (answer := self._get("daily-active-users", {**question, "compare": "0"})):
            return
        events, scope, words = self._within(answer, question)
        told = self.knowledge.told_people
        told(answer["users_so_far"], events, scope, f"active people, {words}")
        everywhere = {name: value for name, value in question.items() if name != "deployment"}
        for row in answer["rows"]:
            day = date.fromisoformat(row["date"])
            for part, deployment in PARTS.items():
                of = question if part == "all" else {**everywhere, "deployment": deployment}
                if not self.knowledge.is_new("active", day, row[part], *_filters_of(of)):
                    continue
                told(
                    row[part],
                    self.knowledge.chosen(of, day, day),
                    f"{day} {day}",
                    f"{part} on {day}, {words}",
                )
        for page in (answer["sessions"] or {}).get("pages", ()):
            path = page["path"]
            told(
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
        if "from" not in question:  # presets reach every day
            self._windows(answer, question, words)

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
        _, _, words = self._within(answer, question)
        first_days = self.knowledge.first_days(question.get("internal") == "1")
        for row in answer["rows"]:
            days = set(days_between(date.fromisoformat(row["from"]), date.fromisoformat(row["to"])))
            new = self.knowledge.chosen(question, min(days), max(days))
            self.knowledge.told_people(
                _number(row["users"]),
                new,
                f"new {row['from']} {row['to']}",
                f"new people {row['from']} to {row['to']}, {words}",
                lambda event, days=days: event.day == first_days.get(event.person) and event.day in days,
            )

    def feature_page(self, name: str, question: Question) -> None:
        response = self.staff.get(f"/dashboards/features/{name}/", {**question, "compare": "0"})
        page = (response.context or {}).get("page") if response.status_code == 200 else None
        report = getattr(page, "report", None)
        if report is None or not hasattr(report, "actions"):
            return
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

    def csv(self, question: Question) -> None:
        """The same rows as a file: what JSON hides must not stand there."""
        sent = {**question, "compare": "0", "format": "csv"}
        response = Client().get("/api/reports/feature-adoption", sent, headers=self.headers)
        if response.status_code != 200:
            return
        rows: Rows = list(csv.DictReader(io.StringIO(response.content.decode())))
        if rows:
            first, last = (date.fromisoformat(rows[0][f"asked_{name}"]) for name in ("from", "to"))
            events = self.knowledge.chosen(question, first, last)
            self._features(rows, events, f"{first} {last}", f"CSV {' '.join(question.values())}")


def _filters_of(question: Question) -> tuple[str, ...]:
    return tuple(question.get(name, "") for name in ("deployment", "org", "internal"))


def _is_number(shown: Any) -> bool:
    if isinstance(shown, str):
        return shown.replace(".", "", 1).isdigit()
    return isinstance(shown, int | float)


def _number(shown: Any) -> Any:
    """A CSV file's text as a number."""
    return int(float(shown)) if isinstance(shown, str) and _is_number(shown) else shown


def all_organizations(variation: str) -> tuple[str, ...]:
    return (*ORGANIZATIONS, "lone-works") if variation == "organization" else ORGANIZATIONS


def organization_of_lone() -> str:
    return ORGANIZATIONS[LONE % len(ORGANIZATIONS)]


def described(found: Iterable[Isolated]) -> str:
    return "\n".join(f"  {one.measure}: {' minus '.join(one.by)}" for one in found)
