"""`migrate` prepares both databases; the tests' own flush leaves the partitions in place."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connections

from analytics import partitions


def shown(**options: object) -> str:
    output = StringIO()
    call_command("migrate", stdout=output, plan=True, **options)
    return output.getvalue()


def test_without_a_name_both_databases_are_migrated(db: None) -> None:
    output = shown()
    assert "Database default:" in output
    assert "Database analytics:" in output


def test_one_database_can_still_be_named(db: None) -> None:
    assert "Database" not in shown(database="analytics")


def test_nothing_is_left_to_migrate(db: None) -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.django_db(transaction=True)
def test_a_flush_empties_the_event_tables_and_keeps_their_partitions() -> None:
    before = partitions.existing()
    assert before
    with connections["analytics"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO analytics_user_activity (id, user_id, organization_id, event_type, timestamp,"
            " session_id, deployment_type, event_metadata, is_internal, received_at) VALUES"
            " (gen_random_uuid(), 'u', '', 'login', now(), '', 'cloud', '{}', false, now())"
        )
        call_command("flush", database="analytics", interactive=False, verbosity=0)
        cursor.execute("SELECT count(*) FROM analytics_user_activity")
        assert cursor.fetchone() == (0,)
    assert partitions.existing() == before
