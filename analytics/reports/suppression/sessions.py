"""Suppression of the sessions report."""

from dataclasses import replace

from analytics.reports.cells import Withheld
from analytics.reports.sessions import PageRow, SessionsReport
from analytics.reports.suppression.rules import (
    compared,
    few,
    measured,
)


def suppress_sessions(report: SessionsReport) -> SessionsReport:
    """Hides everything about few people; each page counts its own."""
    return replace(
        report,
        users=compared(report.users),
        signed_in=compared(report.signed_in),
        sessions=measured(report.sessions, report.users),
        median_seconds=measured(report.median_seconds, report.users),
        sign_ins_per_user=measured(report.sign_ins_per_user, report.signed_in),
        pages=[
            PageRow(page.path, Withheld.FEW, Withheld.HIDDEN) if few(page.users) else page
            for page in report.pages
        ],
    )
