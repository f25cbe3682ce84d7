"""For how many months events are kept: the smaller of the setting and what was published."""

import pytest
from django.conf import LazySettings

from consent.models import PolicyVersion
from consent.policies import event_lifetime, publishing
from consent.policies.event_lifetime import months_kept, months_published

pytestmark = pytest.mark.django_db(transaction=True)


def test_less_holds_at_once_and_more_when_it_is_published(settings: LazySettings) -> None:
    published = settings.EVENT_RETENTION_MONTHS
    settings.EVENT_RETENTION_MONTHS = published - 1
    assert months_kept() == published - 1
    settings.EVENT_RETENTION_MONTHS = published + 1
    assert months_kept() == published
    publishing.publish(actor="test")
    event_lifetime.forget()
    assert months_kept() == published + 1


def test_the_database_is_asked_every_few_seconds(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(event_lifetime.time, "monotonic", lambda: now)
    before = months_published()
    settings.EVENT_RETENTION_MONTHS = before + 1
    publishing.publish(actor="test")
    now += event_lifetime.ASK_EVERY
    assert months_published() == before
    now += 0.1
    assert months_published() == before + 1


def test_before_anything_is_published_the_setting_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_lifetime, "last_published", PolicyVersion.objects.none().first)
    assert months_published() is None
    assert months_kept() == 12
