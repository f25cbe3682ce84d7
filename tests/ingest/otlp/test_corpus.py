"""Bodies that fuzzing found, or that have broken another receiver: all are answered.

The file's name begins with the signal; `python -m benchmarks.fuzz` starts from the same files.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from analytics import partitions
from analytics.models import FeatureUsage
from ingest.receive import receive
from tests.support.fuzz.bodies import JSON, PROTOBUF, Bodies, corpus
from tests.support.fuzz.decoders import try_one
from tests.support.otlp import a_key, grant, post, span, traces

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_back")]

CORPUS = Path(__file__).parent / "corpus"
NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)  # an hour after the records in the files
FILES = sorted(file.name for file in CORPUS.iterdir())
OF_TWO_RECORDS_ONE_IS_ODD = (
    "traces-nul.json",
    "traces-lone-surrogate.json",
    "traces-number-for-text.json",
    "traces-nan.json",
    "traces-null-number.json",
    "traces-huge-integer.json",
    "traces-very-long-integer.json",
    "traces-large-exponent.json",
    "traces-two-values.json",
    "traces-deep.json",
    "traces-bom.json",
)


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_body_is_answered(client: Client, name: str) -> None:
    text, _ = a_key()
    signal, content_type = name.partition("-")[0], JSON if name.endswith(".json") else PROTOBUF
    answer = post(client, f"/v1/{signal}", (CORPUS / name).read_bytes(), text, content_type=content_type)
    assert answer.status_code in (200, 400)
    assert answer["Content-Type"] == content_type


@pytest.mark.parametrize("name", OF_TWO_RECORDS_ONE_IS_ODD)
def test_an_odd_record_does_not_cost_its_neighbour(name: str, settings: Settings) -> None:
    partitions.ensure_for(NOW, settings.EVENT_RETENTION_MONTHS)
    since = NOW - timedelta(days=9)
    grant(user="fuzz-user", since=since)
    grant(organization="fuzz-organization", since=since)
    _, key = a_key()
    receive(signal="traces", encoding=JSON, body=(CORPUS / name).read_bytes(), key=key, now=NOW)
    assert FeatureUsage.objects.filter(feature_name="kept").count() == 1


def test_an_integer_past_every_double_is_no_value(client: Client) -> None:
    """It was answered with 500 once; found by fuzzing."""
    grant(user="u1")
    text, _ = a_key()
    one = span(attributes={"user.id": "u1", "feature.name": "x"})
    one["attributes"].append({"key": "count", "value": {"intValue": 10**400}})
    assert post(client, "/v1/traces", traces(one), text).content == b"{}"
    assert FeatureUsage.objects.get().event_metadata == {"app": "shop"}


def test_a_few_hundred_bodies_of_the_fuzzer_raise_nothing() -> None:
    source = Bodies(seed=20261123)
    outcomes = [try_one(source.next()) for _ in range(400)]
    assert outcomes.count("rows") > 200


def test_the_corpus_covers_every_signal_in_both_encodings() -> None:
    assert {(signal, content_type) for signal, content_type, _ in corpus()} == {
        (signal, content_type)
        for signal in ("traces", "logs", "metrics")
        for content_type in (JSON, PROTOBUF)
    }
