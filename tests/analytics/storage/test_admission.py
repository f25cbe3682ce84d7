"""Which rows are admitted, and in which order they are written: no database."""

from collections import Counter

from analytics.storage.admission import admit_rows
from analytics.storage.event_tables import TABLES
from analytics.storage.writing import _by_table
from postgres.instants import EPOCH
from tests.analytics.storage.test_store import ORGANIZATION, row


class Granted:
    """Consent from 10 to 20 and from 30 to 40 microseconds, for everybody."""

    def spans(self, organization, user):
        return [(10, 20), (30, 40)]

    def why_not(self, organization, user, at):
        return "no_consent"

    def internal(self):
        return frozenset({ORGANIZATION})


def test_a_grant_holds_from_its_first_moment_until_just_before_its_end():
    refused = Counter()
    rows = [row()._replace(timestamp=at) for at in (9, 10, 19, 20, 29, 30, 39, 40)]
    admitted = admit_rows(rows, Granted(), refused, sealed_until=EPOCH)
    assert [some.timestamp for some in admitted] == [10, 19, 30, 39]
    assert refused == {"no_consent": 4}


def test_rows_of_our_own_organization_become_internal_and_others_stay():
    rows = [row()._replace(timestamp=10), row(organization="d" * 32)._replace(timestamp=10)]
    assert [some.is_internal for some in admit_rows(rows, Granted(), Counter(), sealed_until=EPOCH)] == [
        True,
        False,
    ]


def test_tables_and_rows_are_written_in_one_order():
    rows = [row(table)._replace(timestamp=at) for table in ("feature", "activity") for at in (3, 1, 2)]
    again = [rows[1]._replace(user_id=user) for user in ("b" * 32, "a" * 32)]
    written = dict(_by_table([*rows, *again]))
    assert list(written) == [key for key in TABLES if key in written] == ["activity", "feature"]
    keys = [(some.timestamp, some.user_id, some.id) for some in written["feature"]]
    assert (keys, len(keys)) == (sorted(keys), 5)
