"""Decisions recorded before the log was sealed: the migration chains them, and sets demo data apart."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.support.databases import addresses, databases
from tests.support.programs import environment, manage

BEFORE = """
INSERT INTO consent_decision (subject_kind, subject, state, policy_version, actor, method, reason,
                              effective_at, recorded_at)
SELECT 'user', lpad(to_hex(number), 32, '0'), (ARRAY['granted', 'denied', 'unset'])[1 + number % 3], '1',
       'sam', CASE WHEN number % 4 = 0 THEN 'demo' ELSE 'api' END, 'Grüße ' || number,
       '2026-01-31 09:00:00.123456+01'::timestamptz + number * interval '1 second', now()
  FROM generate_series(1, 40) AS number;
INSERT INTO consent_telemetryuser (pseudonym, state, created_at, updated_at)
SELECT DISTINCT subject, 'unset', now(), now() FROM consent_decision;
INSERT INTO consent_consentperiod (subject_kind, subject, state, since)
SELECT subject_kind, subject, state, effective_at FROM consent_decision WHERE method <> 'demo';
"""


@pytest.fixture
def earlier(transactional_db: None) -> Iterator[dict[str, str]]:
    """The environment of an instance with databases of its own, which are still empty."""
    with databases() as names:
        yield environment(**addresses(names))


@pytest.mark.proof
def test_what_was_recorded_before_is_chained(earlier: dict[str, str]) -> None:
    manage("migrate", "consent", "0002", env=earlier)
    with psycopg.connect(earlier["DATABASE_URL"], autocommit=True) as database:
        database.execute(BEFORE)
        manage("migrate", env=earlier)
        assert "30 decisions, all as they were recorded." in manage("verify_consent_log", env=earlier)

        levels = database.execute("SELECT DISTINCT state, level FROM consent_decision ORDER BY 1").fetchall()
        assert levels == [("denied", "base"), ("granted", "detailed"), ("unset", "base")]
        demo = database.execute("SELECT count(*) FROM consent_telemetryuser WHERE is_demo").fetchone()
        assert demo == (10,)
        with pytest.raises(psycopg.errors.RestrictViolation):
            database.execute("DELETE FROM consent_decision")

    manage("set_consent", "denied", "--user", "jane", env=earlier)
    assert "31 decisions, all as they were recorded." in manage("verify_consent_log", env=earlier)
