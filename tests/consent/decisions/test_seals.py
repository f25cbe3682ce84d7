"""The seals' form, which never changes: what was sealed years ago must still verify after any migration."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pytest_django import Settings

from consent.decisions import seals

AT = datetime(2026, 1, 31, 8, 0, 0, 5, tzinfo=UTC)
RECORD = ("user", "a" * 32, "granted", "detailed", "1", "app", "api", "Grüße")
SEAL = "a1aeccae438d2445298a6adb56be0033164001ad1e92561bd9fa0c98ef605863"
SIGNATURE = "45084c6cd214008a9895c59ff46e97d0f4b1270b476caf9c902b6fe629fd9bd9"


@pytest.fixture(autouse=True)
def _a_key(settings: Settings) -> None:
    settings.CONSENT_LOG_KEY, settings.ID_HASH_KEY = "", "golden"


def seal(at: datetime = AT, number: int = 1, previous: str = seals.START) -> str:
    recorded_at = datetime(2026, 1, 31, 9, tzinfo=UTC)
    return seals.seal(previous, (number, *RECORD, at, recorded_at))


def test_a_record_is_sealed_as_it_always_was() -> None:
    assert seal() == SEAL
    assert seal(AT.astimezone(timezone(timedelta(hours=1)))) == SEAL
    assert len({SEAL, seal(number=2), seal(previous="1" * 64), seal(AT + timedelta(microseconds=1))}) == 4


def test_the_head_is_signed_as_it_always_was() -> None:
    assert seals.signature(1, SEAL) == SIGNATURE
    assert seals.is_signed(1, SEAL, SIGNATURE)
    for count, digest, signed in ((2, SEAL, SIGNATURE), (1, seals.START, SIGNATURE), (1, SEAL, "")):
        assert not seals.is_signed(count, digest, signed)


def test_a_key_of_the_logs_own_goes_before_that_of_the_ids(settings: Settings) -> None:
    settings.CONSENT_LOG_KEY, settings.ID_HASH_KEY = "golden", "new"
    assert seal() == SEAL
    settings.CONSENT_LOG_KEY = "another"
    assert seal() != SEAL
