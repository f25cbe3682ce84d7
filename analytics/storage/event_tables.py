"""The event tables as the store writes them: names, columns and PostgreSQL types, all taken from the models.

A column is added to a model (with its migration) and to the tuple of the same table in `rows.py`; when the
two differ, this module cannot be imported.
"""

from collections.abc import Iterable
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Field

from analytics.models import EndpointUsage, Event, FeatureUsage, UserActivity
from analytics.storage.rows import OWN_COLUMNS, Row

Column = tuple[str, str]  # name, PostgreSQL type

POSTGRES_TYPES = {
    "BooleanField": "bool",
    "CharField": "text",
    "DateTimeField": "timestamptz",
    "FloatField": "float8",
    "IntegerField": "int4",
    "JSONField": "jsonb",
    "UUIDField": "uuid",
}
FILLED_BY_THE_DATABASE = {"received_at"}
IN_ROW = {"event_metadata": "metadata"}  # the names that a `Row` has for columns, where they differ


class EventTable(NamedTuple):
    """An event table; `columns` are its own, in the order of `Row.names`."""

    name: str
    columns: tuple[Column, ...]


def _columns(fields: Iterable[Field]) -> tuple[Column, ...]:  # type: ignore[type-arg]
    return tuple(
        (field.name, POSTGRES_TYPES[field.get_internal_type()])
        for field in fields
        if field.name not in FILLED_BY_THE_DATABASE
    )


def event_table(key: str, model: type[Event]) -> EventTable:
    """The table of a model. Raises `ImproperlyConfigured` when `Row.names` would not fit it."""
    shared = {field.name for field in Event._meta.local_concrete_fields}
    columns = _columns([field for field in model._meta.concrete_fields if field.name not in shared])
    names = tuple(name for name, _ in columns)
    if names != OWN_COLUMNS[key]:
        raise ImproperlyConfigured(
            f"{model._meta.label} has the columns {', '.join(names)}, but rows of {key!r} in "
            f"analytics/storage/rows.py have {', '.join(OWN_COLUMNS[key])}: make them the same, in one order"
        )
    return EventTable(model._meta.db_table, columns)


# Every transaction takes the tables in this order, so that no two wait for each other in a circle.
TABLES = {
    key: event_table(key, model)
    for key, model in (("activity", UserActivity), ("endpoint", EndpointUsage), ("feature", FeatureUsage))
}
COMMON_COLUMNS = _columns(Event._meta.local_concrete_fields)
PLACES_IN_ROW = [Row._fields.index(IN_ROW.get(name, name)) for name, _ in COMMON_COLUMNS]
