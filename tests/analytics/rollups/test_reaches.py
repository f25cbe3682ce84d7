"""Reaches: under which filters people count. Adding them up gives what each filter counts by itself."""

from dataclasses import replace

import numpy as np
import pytest

from analytics.reports.active_user_counts import count_active_users
from analytics.reports.endpoint_counts import TOGETHER, read_endpoints
from analytics.reports.feature_counts import FeatureUsers, read_features
from analytics.reports.filters import ReportFilters
from analytics.reports.together import AskedTogether, PeopleTogether
from analytics.rollups.reading import reader as rollups
from analytics.rollups.reading.reaches import MOST_SEGMENTS
from analytics.rollups.reading.reader import Segment
from tests.support.events import crowd, filters, make_partitions, person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_up")]
EVERYTHING = {"deployment": "cloud", "internal": "1", "org": person(901)}


@pytest.fixture(autouse=True)
def _events(db):
    make_partitions()
    crowd(8, people=25, events=900, days=90)


def under(segment: Segment, asked: ReportFilters) -> ReportFilters:
    return replace(
        asked,
        deployment=segment.deployment,
        organization=segment.organization,
        include_internal=segment.include_internal,
    )


def test_features_under_each_filter():
    asked = filters(range="30d", **EVERYTHING)
    with rollups.reading() as reader:
        together = read_features(reader, asked, published=True).together
        assert together
        assert len(together.asked.segments) == MOST_SEGMENTS
        for number, segment in enumerate(together.asked.segments):
            own = read_features(reader, under(segment, asked))
            for row, name in enumerate(together.names):
                told = own.people.get(name, FeatureUsers())
                seen = {span: reaches.seen.inside(number)[row] for span, reaches in together.spans.items()}
                assert seen == {"range": told.users, "complete": told.complete, "before": told.before}, (
                    segment
                )
                twice, once = together.spans["range"].twice, together.spans["range"].once
                assert twice
                assert once
                assert twice.inside(number)[row] == told.twice, (segment, name)
                assert once.inside(number)[row] == told.users - told.twice
                on = own.users_on.get(name, {})
                daily = dict(zip(together.days, together.daily.inside(number)[row].tolist(), strict=True))
                assert {day: count for day, count in daily.items() if count} == {
                    day: count for day, count in on.items() if count
                }


def test_endpoints_and_active_people_under_each_filter():
    asked = filters(range="30d", **EVERYTHING)
    with rollups.reading() as reader:
        together = read_endpoints(reader, asked, published=True).together
        assert together
        spans = {"range": asked, "complete": asked.complete, "before": asked.previous_complete}
        for number, segment in enumerate(together.asked.segments):
            own = under(segment, asked)
            exact = read_endpoints(reader, own).spans
            for row, name in enumerate(together.names):
                for span, reaches in together.spans.items():
                    told = exact.get((name or TOGETHER, span))
                    assert reaches.seen.inside(number)[row] == (told.users if told else 0), (segment, name)
            active = count_active_users(own, list(spans.values()))
            assert [int(together.active[span].inside(number)) for span in spans] == active


def test_layers_reach_up_to_the_one_asked_for():
    whole = AskedTogether.of(filters())
    assert whole.is_the_whole
    assert len(AskedTogether.of(filters(deployment="cloud")).segments) == 4
    assert [len(layer) for layer in AskedTogether.of(filters(internal="1")).layers] == [1, 3, 1]
    assert [len(layer) for layer in AskedTogether.of(filters(org=person(901))).layers] == [1, 3, 1, 3, 1]
    assert [len(layer) for layer in whole.with_deployments.layers] == [1, 3]


def test_nobody_is_marked_where_one_figure_stands_alone():
    with rollups.reading() as reader:
        assert read_features(reader, filters(), published=True).together is None
        assert isinstance(
            read_features(reader, filters(internal="1"), published=True).together, PeopleTogether
        )
        assert np.asarray(reader.members.person).any()
