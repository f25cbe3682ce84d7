"""Errors: occurrences per day, all of them together."""

from analytics.reports.errors import ErrorsReport
from dashboards.charts.daily import daily_plot
from dashboards.charts.plot import Plot


def errors_plot(report: ErrorsReport) -> Plot:
    days, previous = ([day.day for day in report.days], [day.occurrences for day in report.previous_days])
    occurrences, alt = [day.occurrences for day in report.days], "how often errors occurred each day"
    return daily_plot("errors", "Occurrences", report.filters, days, occurrences, previous, alt)
