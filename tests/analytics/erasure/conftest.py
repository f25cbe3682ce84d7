"""What several tests of erasure need."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone


@pytest.fixture
def notice(settings) -> None:
    """Events of undecided subjects are stored."""
    settings.CONSENT_PROFILE_CLOUD = settings.CONSENT_PROFILE_SELF_HOSTED = "notice"
    settings.CONSENT_NOTICE_SINCE = (timezone.now() - timedelta(days=30)).isoformat()


@pytest.fixture
def _unknown_table() -> Iterator[None]:
    with connections["analytics"].cursor() as cursor:
        cursor.execute("CREATE TABLE somebodys_cache (content jsonb)")
        yield
        cursor.execute("DROP TABLE somebodys_cache")
