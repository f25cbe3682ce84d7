"""The search that ends an erasure: is a name still anywhere, in either database or in Redis?

It knows nothing of what erasure deletes. It reads every text and JSON column of every table there
is, so that a table that somebody adds and nobody erases from is found. One search serves many
subjects: names are known by their first 27 hex digits, which pseudonyms and `anon:` forms share.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import redis
from django.conf import settings
from django.db import connections

DIGITS = 27  # of a pseudonym's 32, all that an `anon:` form has
TOKEN = f"[0-9a-f]{{{DIGITS},}}"

# Partitions are read through their parent. A length is that of `varchar(n)`, else 0.
COLUMNS = """
SELECT space.nspname, held.relname, array_agg(attname::text ORDER BY attnum),
       array_agg(CASE kind.typname WHEN 'varchar' THEN greatest(atttypmod - 4, 0) ELSE 0 END ORDER BY attnum)
  FROM pg_class held
  JOIN pg_namespace space ON space.oid = held.relnamespace
  JOIN pg_attribute ON attrelid = held.oid AND attnum > 0 AND NOT attisdropped
  JOIN pg_type kind ON kind.oid = atttypid
  LEFT JOIN pg_type element ON element.oid = kind.typelem AND kind.typcategory = 'A'
 WHERE held.relkind IN ('r', 'p', 'm') AND NOT held.relispartition
   AND nspname <> 'information_schema' AND NOT starts_with(nspname, 'pg_')
   AND ('S' IN (kind.typcategory, element.typcategory) OR kind.typname IN ('json', 'jsonb'))
 GROUP BY nspname, relname ORDER BY relname
"""
# A short column can hold a name at its beginning or its end only; no expression has to look for it.
ANY_SHORT = "left({column}, %(digits)s) = ANY(%(names)s) OR right({column}, %(digits)s) = ANY(%(names)s)"
ANY_LONG = """
({text} ~ %(token)s AND EXISTS (SELECT FROM regexp_matches({text}, %(token)s, 'g') AS found
                                 WHERE left(found[1], %(digits)s) = ANY(%(names)s)))
"""
ANY = "SELECT EXISTS (SELECT FROM {table} WHERE {conditions})"
SHORT = 32  # characters
COUNT = """
SELECT name, count(*)
  FROM (SELECT left((regexp_matches({text}, %(token)s, 'g'))[1], %(digits)s) AS name FROM {table}) AS found
 WHERE name = ANY(%(names)s) GROUP BY name
"""


class Trace(NamedTuple):
    """A name (its first digits) that is still somewhere."""

    table: str  # 'redis' for a key there
    column: str
    digits: str
    rows: int


class Found(NamedTuple):
    """What a search has found, and how much it has read."""

    traces: list[Trace]
    tables: int
    columns: int
    redis_keys: int


def digits_of(name: str) -> str:
    """What a pseudonym or an `anon:` form is searched by."""
    return name.rpartition(":")[2][:DIGITS]


def search(names: Collection[str]) -> Found:
    """Every place where one of these names still is."""
    wanted = sorted({digits_of(name) for name in names})
    traces: list[Trace] = []
    tables = columns = 0
    for alias in ("default", "analytics"):
        for table, some in _tables(alias):
            tables, columns = tables + 1, columns + len(some)
            traces += _search(alias, table, some, wanted)
    in_redis, keys = _search_redis(set(wanted))
    return Found(traces + in_redis, tables, columns, keys)


def _tables(alias: str) -> Iterator[tuple[str, dict[str, int]]]:
    """Each table, quoted, with its columns and their lengths."""
    quote = connections[alias].ops.quote_name
    with connections[alias].cursor() as cursor:
        cursor.execute(COLUMNS)
        for schema, table, columns, lengths in cursor.fetchall():
            yield f"{quote(schema)}.{quote(table)}", dict(zip(columns, lengths, strict=True))


def _search(alias: str, table: str, columns: dict[str, int], wanted: list[str]) -> list[Trace]:
    """One reading for all columns, which ends with the first row found; only then column by column."""
    given: dict[str, Any] = {"names": wanted, "token": TOKEN, "digits": DIGITS}
    quote = connections[alias].ops.quote_name
    texts = {column: f"{quote(column)}::text" for column in columns}
    short = [column for column, length in columns.items() if 0 < length <= SHORT]
    conditions = [ANY_SHORT.format(column=quote(column)) for column in short]
    if long := [text for column, text in texts.items() if column not in short]:
        conditions.append(ANY_LONG.format(text=f"concat_ws(' ', {', '.join(long)})"))
    with connections[alias].cursor() as cursor:
        cursor.execute(ANY.format(table=table, conditions=" OR ".join(conditions)), given)
        if cursor.fetchone() == (False,):
            return []
        found = []
        for column, text in texts.items():
            cursor.execute(COUNT.format(text=text, table=table), given)
            found += [Trace(_bare(table), column, digits, rows) for digits, rows in cursor.fetchall()]
        return found


def _bare(table: str) -> str:
    return table.rpartition('"."')[2].rstrip('"')


def _search_redis(wanted: set[str]) -> tuple[list[Trace], int]:
    found: Counter[str] = Counter()
    keys = 0
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        for key in client.scan_iter(count=1000):
            keys += 1
            tokens = re.findall(TOKEN, key.decode(errors="replace"))
            found.update({token[:DIGITS] for token in tokens} & wanted)
    return [Trace("redis", "key", digits, number) for digits, number in found.items()], keys
