"""Makes a database refuse rows: inside the block a trigger raises for some rows of a table."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections


@contextmanager
def refusing(table: str, rows: str, *, database: str = "analytics") -> Iterator[None]:
    """Inside the block, rows of `table` for which this condition on NEW holds cannot be written."""
    with connections[database].cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
            " AS $$ BEGIN RAISE 'no room for this one'; END $$"
        )
        cursor.execute(
            f"CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW"
            f" WHEN ({rows}) EXECUTE FUNCTION refuse()"
        )
    try:
        yield
    finally:
        with connections[database].cursor() as cursor:
            cursor.execute(f"DROP TRIGGER refuse ON {table}")
            cursor.execute("DROP FUNCTION refuse")
