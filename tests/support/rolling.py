"""Rolls up events that a test has inserted without the store."""

from django.db import connections

from analytics.rollups.building import build, marks


def mark_everything() -> None:
    """Mark all events, as if they had just arrived."""
    with connections["analytics"].cursor() as cursor:
        marks.mark_all(cursor)


def roll_up() -> None:
    """Roll up all events."""
    mark_everything()
    build.roll_up()
