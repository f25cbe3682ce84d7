"""Where an erased name may stay on purpose, and why. While it is anywhere else, the erasure is not done.

To keep a subject's name in another table, add it here with its reason: receipts list it.
"""

from collections import Counter
from typing import Any

from analytics.erasure import derived
from analytics.erasure.event_rows import are_rows_left
from analytics.erasure.leftovers import SearchResult, digits_of
from analytics.erasure.sessions import rows_of_shared_sessions
from analytics.erasure.small_tables import REPORT_TABLES, reports_of
from analytics.partitions import EVENT_TABLES
from consent.decisions.tombstones import was_allowed_since
from consent.models import ErasureRequest, SubjectKind

KEPT_ON_PURPOSE = {
    "consent_tombstone": "refuses what arrives late",
    "consent_erasurerequest": "the request itself, with this receipt",
    "consent_decision": "the log of decisions, which is append-only",
    "consent_consentperiod": "the times with and without consent, which ingest asks",
    "consent_telemetryuser": "the present decision, which ingest asks",
    "consent_organization": "the present decision and rule, which ingest asks",
    "consent_subjectview": "who has looked at this subject",
    "analytics_internaluse": "whether the organization's use is the vendor's own, which reports ask",
    "analytics_installation": "the installation's base telemetry, which names no user",
    "consent_key": "keys that speak for this organization only",
}
# Columns in which newer rows may name the subject again.
MAY_BE_NEWER = {(table, column) for table in EVENT_TABLES for column in ("user_id", "organization_id")}
MAY_BE_NEWER |= {(table, "organization_id") for table in REPORT_TABLES}
MAY_BE_NEWER |= {("analytics_user_activity", "session_id")}
NEWER_ROWS = "dated and received after the erasure was asked for, when they were allowed again"
NOT_ONLY_THEIRS = "name no user, and a session or an installation that others used too"
SHARED_SESSION = "rows of somebody else who used the same session, or newer ones"


def judge(
    request: ErasureRequest, sessions: list[str], result: SearchResult
) -> tuple[list[dict[str, Any]], str]:
    """What stays on purpose, in the receipt's words, and what prevents a receipt ('' when nothing does)."""
    names = {digits_of(name) for name in [request.pseudonym, *sessions]}
    places = Counter[tuple[str, str]]()
    for trace in result.traces:
        if trace.digits in names:
            places[trace.table, trace.column] += trace.rows
    places["consent_erasurerequest", "receipt"] += 1  # the receipt that is about to be written
    remains = []
    for (table, column), rows in sorted(places.items()):
        why = KEPT_ON_PURPOSE.get(table) or _why_rows_stay(request, sessions, table, column)
        if not why:
            return [], f"The name is still in {table}.{column} ({rows} rows), which erasure does not reach."
        remains.append({"where": f"{table}.{column}", "rows": rows, "why": why})
    for table, rows in rows_of_shared_sessions(request):
        remains.append({"where": f"{table}.user_id", "rows": rows, "why": NOT_ONLY_THEIRS})
    return remains, ""


def _why_rows_stay(request: ErasureRequest, sessions: list[str], table: str, column: str) -> str:
    """Why a table that erasure reaches still names the subject; '' when its rows should be gone.

    Also '' for a table that is not listed here.
    """
    for tables in derived.DERIVED:
        if (table, column) in tables.NAMES:
            return "" if tables.is_left(request) else NEWER_ROWS
    if (table, column) not in MAY_BE_NEWER:
        return ""
    if table in REPORT_TABLES:
        is_left = any(reports.exists() for reports in reports_of(request.pseudonym, request.until))
    else:
        is_left = are_rows_left(request, sessions, table)
    if is_left:
        return ""
    if column == "session_id":
        return SHARED_SESSION
    was_allowed = was_allowed_since(SubjectKind(request.kind), request.pseudonym, request.until)
    return NEWER_ROWS if was_allowed else ""
