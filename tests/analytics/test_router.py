"""Which database a model lives in."""

from analytics.models import JobRun, Mark
from analytics.router import AnalyticsRouter
from consent.models import Key

ROUTER = AnalyticsRouter()


def test_models_of_this_app_live_in_the_analytics_database_and_others_do_not() -> None:
    for ask in (ROUTER.db_for_read, ROUTER.db_for_write):
        assert (ask(JobRun), ask(Key)) == ("analytics", None)


def test_no_relation_leads_from_one_database_to_the_other() -> None:
    assert ROUTER.allow_relation(JobRun(), Mark())
    assert ROUTER.allow_relation(Key(), Key())
    assert not ROUTER.allow_relation(JobRun(), Key())


def test_each_database_gets_its_own_tables_only() -> None:
    assert ROUTER.allow_migrate("analytics", "analytics")
    assert ROUTER.allow_migrate("default", "consent")
    assert not ROUTER.allow_migrate("default", "analytics")
    assert not ROUTER.allow_migrate("analytics", "consent")
