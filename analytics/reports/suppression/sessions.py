"""Suppression of the sessions report."""

from dataclasses import replace

from analytics.reports.cells import Compared, Withheld
from analytics.reports.sessions import PageRow, SessionsReport
from analytics.reports.suppression.rules import compared, few, measured
from analytics.reports.suppression.together import Marks


def suppress_sessions(report: SessionsReport) -> SessionsReport:
    """Hides everything about few people, or about people whose number would give few away beside the same
    under other filters; each page counts its own."""
    marks = Marks(report.together, report.filters)
    users = _marked(compared(report.users), marks, "session")
    signed_in = _marked(compared(report.signed_in), marks, "login")
    return replace(
        report,
        users=users,
        signed_in=signed_in,
        sessions=measured(report.sessions, users),
        median_seconds=measured(report.median_seconds, users),
        sign_ins_per_user=measured(report.sign_ins_per_user, signed_in),
        pages=[_page(page, marks) for page in report.pages],
        together=None,
    )


def _marked(people: Compared, marks: Marks, kind: str) -> Compared:
    return Compared(
        marks.active(people.value, f"{kind} complete"), marks.active(people.before, f"{kind} before")
    )


def _page(page: PageRow, marks: Marks) -> PageRow:
    if few(page.users):
        return PageRow(page.path, Withheld.FEW, Withheld.HIDDEN)
    users = marks.of(page.users, page.path, "range")
    return PageRow(page.path, users, Withheld.HIDDEN if isinstance(users, Withheld) else page.views)
