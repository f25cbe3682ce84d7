"""Suppression of the endpoint reports: rows and days add up to the requests of the total."""

from dataclasses import replace
from typing import Any

from analytics.reports.cells import Count, Withheld, exact
from analytics.reports.endpoints import (
    EndpointDay,
    EndpointReport,
    EndpointRow,
    EndpointsReport,
    StatusRow,
)
from analytics.reports.sorting import sorted_endpoints
from analytics.reports.suppression.days import day_verdicts, previous_day_verdicts
from analytics.reports.suppression.rules import (
    Verdicts,
    few,
    hidden_measure,
    rows_of,
)


def suppress_endpoints(report: EndpointsReport) -> EndpointsReport:
    """Rows add up to the requests of the total, and so do days."""
    verdicts: Verdicts = rows_of(report.total.users, [row.users for row in report.rows])
    rows = [_endpoint_row(row, verdict) for row, verdict in zip(report.rows, verdicts, strict=True)]
    if report.filters.reaches_sealed:
        rows = [row._replace(users=Withheld.GONE) for row in rows]
    return replace(report, rows=sorted_endpoints(rows, report.filters.sort), **_common(report))


def suppress_endpoint(report: EndpointReport) -> EndpointReport:
    """As in the list. A hidden day hides its latency, too."""
    common = _common(report)
    hidden = {day.day for day in common["days"] if isinstance(day.requests, Withheld)}
    whole = few(report.total.users)
    return replace(
        report,
        statuses=[
            StatusRow(row.status, Withheld.HIDDEN if whole else row.requests) for row in report.statuses
        ],
        latency=[] if whole else [cell for cell in report.latency if cell.day not in hidden],
        **common,
    )


def _common(report: EndpointsReport | EndpointReport) -> dict[str, Any]:
    """Totals and days. The headline includes today when today adds few people."""
    filters, total = report.filters, report.total
    today_is_few = any(few(day.users) for day in report.days if not day.complete)
    new_today = few(exact(total.users) - exact(report.headline.users))
    headline = total if today_is_few or new_today else report.headline
    verdicts = day_verdicts(report.days, total.users, report.headline.users)
    previous = report.previous
    before: Count = previous.users if previous else 0
    previous_verdicts = previous_day_verdicts(filters, report.previous_days, before)
    shown_total = _endpoint_row(total, Withheld.FEW if few(total.users) else None)
    shown_headline = _endpoint_row(headline, Withheld.FEW if few(headline.users) else None)
    days = [
        _endpoint_day(day, verdict, few(total.users))
        for day, verdict in zip(report.days, verdicts, strict=True)
    ]
    if filters.reaches_sealed:
        shown_total, shown_headline = (
            row._replace(users=Withheld.GONE) for row in (shown_total, shown_headline)
        )
        days = [day._replace(users=Withheld.GONE) if filters.is_sealed(day.day) else day for day in days]
    return {
        "total": shown_total,
        "headline": shown_headline,
        "previous": previous and _endpoint_row(previous, Withheld.FEW if few(previous.users) else None),
        "days": days,
        "previous_days": [
            _endpoint_day(day, verdict, few(before))
            for day, verdict in zip(report.previous_days, previous_verdicts, strict=True)
        ],
    }


def _endpoint_row(row: EndpointRow, verdict: Withheld | None) -> EndpointRow:
    complete, before = row.compared_users
    if verdict is not None:
        return EndpointRow(
            endpoint=row.endpoint,
            method=row.method,
            requests=Withheld.HIDDEN,
            errors=Withheld.HIDDEN,
            error_rate=Withheld.HIDDEN,
            mean_ms=Withheld.HIDDEN,
            p50_ms=Withheld.HIDDEN,
            p95_ms=Withheld.HIDDEN,
            p99_ms=Withheld.HIDDEN,
            users=verdict,
            previous_p95_ms=Withheld.HIDDEN,
            change=Withheld.HIDDEN,
            trend=(Withheld.HIDDEN,) * len(row.trend),
        )
    return row._replace(
        previous_p95_ms=hidden_measure(row.previous_p95_ms, few(before)),
        change=hidden_measure(row.change, few(before) or few(complete)),
        trend=tuple(
            hidden_measure(p95, few(users)) for p95, users in zip(row.trend, row.trend_users, strict=True)
        ),
        trend_users=(),
        compared_users=(0, 0),
    )


def _endpoint_day(day: EndpointDay, verdict: Withheld | None, whole: bool) -> EndpointDay:
    if verdict is None and not (whole and day.users):
        return day
    return day._replace(
        requests=Withheld.HIDDEN,
        errors=Withheld.HIDDEN,
        p50_ms=Withheld.HIDDEN,
        p95_ms=Withheld.HIDDEN,
        p99_ms=Withheld.HIDDEN,
        users=verdict or Withheld.HIDDEN,
    )
