"""Suppression of the retention report: the ledger, the curve and the cohorts."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from analytics.reports.cells import Count, Withheld, exact
from analytics.reports.retention import (
    CohortCell,
    CohortRow,
    CurveDay,
    Headline,
    RetentionReport,
    cohort_averages,
)
from analytics.reports.suppression.retention_together import marked_together
from analytics.reports.suppression.rules import (
    Verdicts,
    apart,
    few,
    hidden_measure,
    part,
    parts_of,
    ruled,
    shown,
)


def suppress_retention(report: RetentionReport) -> RetentionReport:
    """The ledger, the curve and the cohorts; averages are computed again from what is shown."""
    if isinstance(report.headline.new_users, Withheld):
        return report  # all days are sealed: small groups were left out then
    headline = _headline(report.headline)
    alone = replace(
        report,
        headline=headline,
        previous=_headline(report.previous) if report.previous else None,
        curve=_curve(report.curve, [headline.new_users, headline.mature]),
        cohorts=_cohort_rows(report),
    )
    marked = marked_together(alone)
    return replace(marked, averages=cohort_averages(marked.cohorts), beside={}, beside_values=())


def _headline(ledger: Headline) -> Headline:
    new, immature, mature, _, _ = ledger
    if few(new):
        return Headline(Withheld.FEW, *[Withheld.HIDDEN] * 4)
    if few(mature):
        small = Withheld.FEW if few(immature) else Withheld.HIDDEN
        return Headline(new, small, Withheld.FEW, Withheld.HIDDEN, Withheld.HIDDEN)
    retained = part(ledger.retained, mature)
    rate = hidden_measure(ledger.rate, isinstance(retained, Withheld))
    if few(immature):
        return Headline(Withheld.HIDDEN, Withheld.FEW, mature, retained, rate)
    return Headline(new, immature, mature, retained, rate)


def _curve(curve: Sequence[CurveDay], anchors: Sequence[Count]) -> list[CurveDay]:
    """Each day's people are a part of the previous day's: shown when the difference is none or enough."""
    eligibles = [number for number in anchors if isinstance(number, int)]
    laters: list[int] = []
    days = []
    for day in curve:
        eligible, on_day, later = exact(day.eligible), exact(day.on_day), exact(day.on_or_after)
        if few(eligible) or not apart(eligible, eligibles):
            few_or_hidden = Withheld.FEW if few(eligible) else Withheld.HIDDEN
            days.append(CurveDay(day.n, few_or_hidden, *[Withheld.HIDDEN] * 4))
            continue
        eligibles.append(eligible)
        shown_on_day, shown_later = part(on_day, eligible), part(later, eligible)
        if isinstance(shown_later, int):
            if apart(later, laters) and (isinstance(shown_on_day, Withheld) or apart(later, [on_day])):
                laters.append(later)
            else:
                shown_later = Withheld.HIDDEN
        days.append(
            CurveDay(
                day.n,
                eligible,
                shown_on_day,
                shown_later,
                hidden_measure(day.on_day_rate, isinstance(shown_on_day, Withheld)),
                hidden_measure(day.on_or_after_rate, isinstance(shown_later, Withheld)),
            )
        )
    return days


def _cohort_rows(report: RetentionReport) -> list[CohortRow]:
    """Weekly cohorts may add up to the headline, so their columns are parts of its numbers."""
    filters = report.filters
    inside = [
        index
        for index, row in enumerate(report.cohorts)
        if row.week_start <= filters.last
        and row.week_start + timedelta(days=6) >= filters.first
        and not row.is_sealed
    ]
    of_headline = [report.cohorts[index] for index in inside]
    users = _column([row.users for row in of_headline])
    mature = _column([row.mature for row in of_headline])
    retained = _column([row.retained for row in of_headline])
    verdicts = dict(zip(inside, zip(users, mature, retained, strict=True), strict=True))
    return [
        _cohort_row(row, *verdicts.get(index, (None, None, None))) for index, row in enumerate(report.cohorts)
    ]


def _column(numbers: Sequence[Count]) -> Verdicts:
    return parts_of(sum(exact(number) for number in numbers), numbers)


def _cohort_row(
    row: CohortRow,
    users_verdict: Withheld | None,
    mature_verdict: Withheld | None,
    retained_verdict: Withheld | None,
) -> CohortRow:
    if row.is_sealed:
        return row
    users = ruled(shown(row.users), users_verdict)
    if isinstance(users, Withheld):
        cells = [CohortCell(cell.week, users, Withheld.HIDDEN, cell.open) for cell in row.cells]
        return row._replace(
            users=users, cells=cells, mature=Withheld.HIDDEN, retained=Withheld.HIDDEN, rate=Withheld.HIDDEN
        )
    cells = []
    for cell in row.cells:
        came = part(cell.users, users)
        share = hidden_measure(cell.share, isinstance(came, Withheld))
        cells.append(CohortCell(cell.week, came, share, cell.open))
    mature = ruled(part(row.mature, users), mature_verdict)
    retained = ruled(part(row.retained, mature), retained_verdict)
    rate = hidden_measure(row.rate, isinstance(retained, Withheld))
    return row._replace(users=users, cells=cells, mature=mature, retained=retained, rate=rate)
