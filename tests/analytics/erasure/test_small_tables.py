"""What an organization's erasure deletes from small tables."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from analytics.erasure import (
    remains,
    small_tables,
)
from analytics.models import (
    CustomerAnalytics,
    CustomerHeartbeat,
    Installation,
    License,
)
from consent.decisions.recording import register_organization
from consent.keys import issue_key
from consent.models import ErasureRequest, Organization
from tests.analytics.erasure.stories import (
    ACME,
    DAY,
    JANE,
    ORGANIZATION,
    ask,
    carry_out,
    erased,
    rows,
)
from tests.support.events import activity, endpoint, feature, installation

pytestmark = pytest.mark.django_db


def test_an_organizations_erasure_takes_rows_reports_licence_label_and_installations() -> None:
    now = timezone.now()
    register_organization(pseudonym=ACME, label="Acme Corp.", deployment_type="cloud")
    _, key = issue_key(name="a key", scopes=["heartbeat"], organization_pseudonym=ACME)
    License.objects.create(key_id=key.pk, customer_name="Acme")
    License.objects.create(key_id=key.pk + 1, customer_name="Another")
    CustomerHeartbeat.objects.create(organization_id=ACME, timestamp=now, metrics={}, received_at=now)
    CustomerAnalytics.objects.create(organization_id=ACME, date=now.date(), analytics={}, received_at=now)
    installation(7)
    kept = installation(1)
    Installation.objects.filter(pk=kept.pk).update(pseudonym="e" * 32)
    feature(JANE, DAY, organization_id=ACME)
    feature(f"anon:{7:032x}"[:32], DAY, organization_id=ACME)
    feature(JANE, DAY, organization_id="b" * 32)
    receipt = erased(ORGANIZATION, ACME)
    assert receipt["deleted"] == {
        "analytics_feature_usage": 2,
        "analytics_customerheartbeat": 1,
        "analytics_customeranalytics": 1,
        "analytics_installation": 1,
        "analytics_installationevent": 1,
        "analytics_license": 1,
        "consent_organization.label": 1,
    }
    assert rows()["FeatureUsage"] == [JANE]
    assert [installation.pk for installation in Installation.objects.all()] == [kept.pk]
    assert [licence.customer_name for licence in License.objects.all()] == ["Another"]
    organization = Organization.objects.get(pseudonym=ACME)
    assert (organization.label, organization.deployment_type) == ("", "cloud")


MOMENT = timedelta(microseconds=1)


def reported(organization: str, at: datetime, received_at: datetime) -> None:
    CustomerHeartbeat.objects.create(
        organization_id=organization, timestamp=at, metrics={}, received_at=received_at
    )


def test_reports_go_when_they_are_dated_or_came_up_to_the_moment() -> None:
    then = ask(ORGANIZATION, ACME).until
    reported(ACME, then, then + MOMENT)
    reported(ACME, then + MOMENT, then)
    reported(ACME, then + 2 * MOMENT, then + MOMENT)
    reported("b" * 32, then, then)
    for days, received_at in ((0, then + MOMENT), (1, then), (2, then + MOMENT)):
        CustomerAnalytics.objects.create(
            organization_id=ACME,
            date=then.date() + timedelta(days=days),
            analytics={},
            received_at=received_at,
        )
    carry_out()
    assert [row.organization_id for row in CustomerHeartbeat.objects.order_by("timestamp")] == [
        "b" * 32,
        ACME,
    ]
    assert [row.date for row in CustomerAnalytics.objects.all()] == [then.date() + timedelta(days=2)]
    receipt = ErasureRequest.objects.get().receipt
    assert {
        place["where"]: place["why"] for place in receipt["remains"] if "analytics_" in place["where"]
    } == {
        "analytics_customeranalytics.organization_id": remains.NEWER_ROWS,
        "analytics_customerheartbeat.organization_id": remains.NEWER_ROWS,
    }


def test_installations_are_found_by_every_kind_of_event() -> None:
    for number, event in ((7, feature), (8, endpoint), (9, activity)):
        installation(number)
        event(f"anon:{number:032x}"[:32], DAY, organization_id=ACME)
    installation(6)
    feature(f"anon:{6:032x}"[:32], DAY, organization_id="b" * 32)
    # All of them have the same first 27 digits here, so the other installation may go with them.
    assert erased(ORGANIZATION, ACME)["deleted"]["analytics_installation"] >= 3


def test_a_users_erasure_leaves_organizations_alone() -> None:
    register_organization(pseudonym=JANE, label="Named like her")
    reported(JANE, DAY, DAY)
    request = ask()
    small_tables.delete_small_tables(request)
    assert CustomerHeartbeat.objects.exists()
    assert Organization.objects.get().label == "Named like her"


def test_an_organization_that_opted_out_keeps_its_installations_and_loses_its_reports() -> None:
    installation(7)
    feature(f"anon:{7:032x}"[:32], DAY, organization_id=ACME)
    reported(ACME, DAY, DAY)
    ask(ORGANIZATION, ACME, is_withdrawal=True)
    carry_out()
    assert Installation.objects.exists()
    assert not CustomerHeartbeat.objects.exists()


def test_rows_counted_by_a_killed_run_are_deleted_and_not_counted_again() -> None:
    reported(ACME, DAY, DAY)
    request = ask(ORGANIZATION, ACME)
    request.progress = {"deleted": {"analytics_customerheartbeat": 41}}
    request.save()
    carry_out()
    request.refresh_from_db()
    assert request.receipt["deleted"]["analytics_customerheartbeat"] == 41
    assert not CustomerHeartbeat.objects.exists()
