"""Suppression of the timings report: as endpoints are, whose measures it has. Memory goes with the calls."""

from dataclasses import replace

from analytics.reports.sorting import sorted_timings
from analytics.reports.suppression.endpoints import suppress_endpoints
from analytics.reports.timings import TimingsReport, timings_of


def suppress_timings(report: TimingsReport) -> TimingsReport:
    """Each by its own people."""
    if report.measured is None:
        raise TypeError("this report has been through suppression already")
    suppressed = timings_of(suppress_endpoints(report.measured), report.memory)
    rows = sorted_timings(suppressed.rows, report.filters.sort)
    return replace(suppressed, rows=rows, measured=None, memory={})
