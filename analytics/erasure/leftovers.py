"""The search that ends an erasure: is a name still anywhere, in either database or in Redis?

It does not know what erasure deletes. It reads every text and JSON column of every table, so it also
finds names in a table that was added without telling erasure. One search serves many subjects. It looks for
the first 27 hex digits of a name, which pseudonyms and `anon:` forms share.
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

# Partitions are read through their parent. The length is that of `varchar(n)`, else 0.
COLUMNS = """
SELECT space.nspname, relation.relname, array_agg(attname::text ORDER BY attnum),
       array_agg(CASE kind.typname WHEN 'varchar' THEN greatest(atttypmod - 4, 0) ELSE 0 END ORDER BY attnum)
  FROM pg_class relation
  JOIN pg_namespace space ON space.oid = relation.relnamespace
  JOIN pg_attribute ON attrelid = relation.oid AND attnum > 0 AND NOT attisdropped
  JOIN pg_type kind ON kind.oid = atttypid
  LEFT JOIN pg_type element ON element.oid = kind.typelem AND kind.typcategory = 'A'
 WHERE relation.relkind IN ('r', 'p', 'm') AND NOT relation.relispartition
   AND nspname <> 'information_schema' AND NOT starts_with(nspname, 'pg_')
   AND ('S' IN (kind.typcategory, element.typcategory) OR kind.typname IN ('json', 'jsonb'))
 GROUP BY nspname, relname ORDER BY relname
"""
# In a short column a name can only stand at the start or the end, which needs no regular expression.
ANY_SHORT = "left({column}, %(digits)s) = ANY(%(names)s) OR right({column}, %(digits)s) = ANY(%(names)s)"
ANY_LONG = """
({text} ~ %(token)s AND EXISTS (SELECT FROM regexp_matches({text}, %(token)s, 'g') AS token
                                 WHERE left(token[1], %(digits)s) = ANY(%(names)s)))
"""
ANY = "SELECT EXISTS (SELECT FROM {table} WHERE {conditions})"
SHORT = 32  # characters
COUNT = """
SELECT name, count(*)
  FROM (SELECT left((regexp_matches({text}, %(token)s, 'g'))[1], %(digits)s) AS name FROM {table}) AS names
 WHERE name = ANY(%(names)s) GROUP BY name
"""


class Trace(NamedTuple):
    """A place where a name still is."""

    table: str  # 'redis' for a key there
    column: str
    digits: str  # of the name, as `digits_of` gives them
    rows: int


class SearchResult(NamedTuple):
    """Where the names still are, and how much was read."""

    traces: list[Trace]
    tables: int
    columns: int
    redis_keys: int


def digits_of(name: str) -> str:
    """The digits by which a pseudonym or an `anon:` form is searched for."""
    return name.rpartition(":")[2][:DIGITS]


def search(names: Collection[str]) -> SearchResult:
    """Every place where one of these names still is."""
    digits = sorted({digits_of(name) for name in names})
    traces: list[Trace] = []
    tables = columns = 0
    for alias in ("default", "analytics"):
        for table, lengths in _tables(alias):
            tables, columns = tables + 1, columns + len(lengths)
            traces += _search_table(alias, table, lengths, digits)
    in_redis, keys = _search_redis(set(digits))
    return SearchResult(traces + in_redis, tables, columns, keys)


def _tables(alias: str) -> Iterator[tuple[str, dict[str, int]]]:
    """Each table, quoted, with the lengths of its columns."""
    quote = connections[alias].ops.quote_name
    with connections[alias].cursor() as cursor:
        cursor.execute(COLUMNS)
        for schema, table, columns, lengths in cursor.fetchall():
            yield f"{quote(schema)}.{quote(table)}", dict(zip(columns, lengths, strict=True))


def _search_table(alias: str, table: str, lengths: dict[str, int], names: list[str]) -> list[Trace]:
    """One pass over all columns, which stops at the first hit; only after a hit, column by column."""
    parameters: dict[str, Any] = {"names": names, "token": TOKEN, "digits": DIGITS}
    quote = connections[alias].ops.quote_name
    texts = {column: f"{quote(column)}::text" for column in lengths}
    short = [column for column, length in lengths.items() if 0 < length <= SHORT]
    conditions = [ANY_SHORT.format(column=quote(column)) for column in short]
    if long := [text for column, text in texts.items() if column not in short]:
        conditions.append(ANY_LONG.format(text=f"concat_ws(' ', {', '.join(long)})"))
    with connections[alias].cursor() as cursor:
        cursor.execute(ANY.format(table=table, conditions=" OR ".join(conditions)), parameters)
        if cursor.fetchone() == (False,):
            return []
        traces = []
        for column, text in texts.items():
            cursor.execute(COUNT.format(text=text, table=table), parameters)
            traces += [Trace(_bare(table), column, digits, rows) for digits, rows in cursor.fetchall()]
        return traces


def _bare(table: str) -> str:
    return table.rpartition('"."')[2].rstrip('"')


def _search_redis(names: set[str]) -> tuple[list[Trace], int]:
    """The keys that hold a name, and how many keys there are."""
    hits: Counter[str] = Counter()
    keys = 0
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        for key in client.scan_iter(count=1000):
            keys += 1
            tokens = re.findall(TOKEN, key.decode(errors="replace"))
            hits.update({token[:DIGITS] for token in tokens} & names)
    return [Trace("redis", "key", digits, number) for digits, number in hits.items()], keys
