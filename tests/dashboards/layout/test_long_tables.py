"""Long tables: fourteen rows are shown; a link to all of them keeps the rest of the address."""

from django.test import RequestFactory

from dashboards.layout.long_tables import shortened


def test_fourteen_rows_are_shown_whole() -> None:
    assert shortened(RequestFactory().get("/"), range(14)) == (range(14), None)


def test_of_fifteen_rows_the_last_is_behind_the_link() -> None:
    rows, show_all = shortened(RequestFactory().get("/", {"range": "90d", "rows": "few"}), range(15))
    assert rows == range(14)
    assert show_all == (15, "?range=90d&rows=all")


def test_all_are_shown_when_asked_for() -> None:
    assert shortened(RequestFactory().get("/", {"rows": "all"}), range(90)) == (range(90), None)
