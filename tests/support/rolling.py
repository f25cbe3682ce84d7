"""Rolling up what a test has written past the store."""

from django.db import connections

from analytics.rollups.building import build, marks


def mark_everything() -> None:
    """As if all that there is had just arrived."""
    with connections["analytics"].cursor() as cursor:
        marks.mark_all(cursor)


def roll_up() -> None:
    """Everything there is."""
    mark_everything()
    build.roll_up()
