"""After the faults: compares what is in the database with what the clients sent."""

from bisect import bisect_right
from collections import defaultdict
from typing import Any, NamedTuple

import psycopg

from tests.support.faults.clients import Sent
from tests.support.faults.records import TABLES, expected

COLUMNS = (
    "event_type",
    "endpoint, method, status_code, duration_ms",
    "feature_name, action",
)
ROWS = """
SELECT (extract(epoch FROM "timestamp") * 1000000)::bigint, user_id, organization_id,
       (extract(epoch FROM received_at) * 1000000)::bigint, {columns}, event_metadata
  FROM {table}
"""


class Findings(NamedTuple):
    """Numbers of records, or of requests where it says so."""

    acknowledged: int
    stored: int
    unknown: int  # stored, but of a request that was never acknowledged: allowed, once
    missing: int  # acknowledged, but not stored
    twice: int
    wrong: int  # stored, but not as sent, or although it was refused or never sent
    torn: int  # requests that were stored in part, or by more than one transaction
    requests: int
    resent: int  # requests
    settled: int  # requests that an earlier attempt than the acknowledged one had committed

    @property
    def are_right(self) -> bool:
        return not (self.missing or self.twice or self.wrong or self.torn)


def truncate(database: psycopg.Connection[Any]) -> None:
    for table in TABLES:
        database.execute(f"TRUNCATE {table}")


def verify(database: psycopg.Connection[Any], sent: list[Sent], pseudonyms: dict[str, str]) -> Findings:
    """Compare every row with what was sent. `pseudonyms` are by raw id, the organization's included."""
    sent = sorted(sent)
    firsts = [one.piece.first for one in sent]
    found: defaultdict[int, set[int]] = defaultdict(set)  # request -> times
    written: defaultdict[int, set[int]] = defaultdict(set)  # request -> moments of its transactions
    rows = twice = wrong = 0
    (organization,) = (value for raw, value in pseudonyms.items() if raw.endswith("organization"))
    for kind, table in enumerate(TABLES):
        with database.transaction(), database.cursor("rows") as cursor:
            cursor.itersize = 20_000
            cursor.execute(ROWS.format(table=table, columns=COLUMNS[kind]))
            for time, user_id, organization_id, received, *columns in cursor:
                rows += 1
                number = bisect_right(firsts, time) - 1
                piece = sent[number].piece
                if number < 0 or time >= piece.first + piece.count or sent[number].end == "refused":
                    wrong += 1
                    continue
                right_kind, who, right = expected(piece, time)
                if (kind, pseudonyms[who], organization, right) != (
                    right_kind, user_id, organization_id, tuple(columns)
                ):  # fmt: skip
                    wrong += 1
                twice += time in found[number]
                found[number].add(time)
                written[number].add(received)
    missing = torn = unknown = acknowledged = settled = 0
    for number, one in enumerate(sent):
        there = len(found[number])
        torn += there not in (0, one.piece.count) or len(written[number]) > 1
        if one.end == "acknowledged":
            acknowledged += one.piece.count
            missing += one.piece.count - there
            settled += bool(there) and min(written[number]) < one.last_attempt_at
        else:
            unknown += there
    resent = sum(one.attempts > 1 for one in sent)
    return Findings(acknowledged, rows, unknown, missing, twice, wrong, torn, len(sent), resent, settled)
