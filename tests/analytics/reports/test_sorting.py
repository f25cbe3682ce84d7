"""The order of rows: by any column, either way; withheld cells count as 0."""

import pytest

from analytics.reports.cells import Withheld
from analytics.reports.endpoints import EndpointRow
from analytics.reports.features import FeatureRow
from analytics.reports.sorting import sorted_endpoints, sorted_features


def feature_row(name, users, uses, share, repeat, change):
    return FeatureRow(name, users, uses, share, repeat, 1, change, None, None, [])


FEATURES = [
    feature_row("a", 2, 12, 0.1, 2, 0.3),
    feature_row("b", 3, 6, 0.3, 1, None),
    feature_row("c", 1, 9, 0.2, 3, -0.5),
]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("users", "cab"),
        ("uses", "bca"),
        ("share", "acb"),
        ("per", "bac"),  # 2, 6, 9 uses a person
        ("change", "cba"),  # none counts as no change
        ("repeat", "bac"),
        ("name", "abc"),
    ],
)
def test_features_follow_the_column_asked_for(sort, order):
    assert "".join(row.feature for row in sorted_features(FEATURES, sort)) == order
    assert "".join(row.feature for row in sorted_features(FEATURES, f"-{sort}")) == order[::-1]


def endpoint_row(name, *numbers):
    requests, rate, mean, p50, p95, p99, users, change = numbers
    return EndpointRow(name, "GET", requests, 0, rate, mean, p50, p95, p99, users, None, change)


ENDPOINTS = [
    endpoint_row("/a", 2, 0.1, 3.0, 1.0, 3.0, 6.0, 2, 0.2),
    endpoint_row("/b", 3, 0.3, 1.0, 3.0, 2.0, 4.0, 1, 0.1),
    endpoint_row("/c", 1, 0.2, 2.0, 2.0, 1.0, 5.0, 3, 0.3),
]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("requests", "cab"),
        ("errors", "acb"),
        ("mean", "bca"),
        ("p50", "acb"),
        ("p95", "cba"),
        ("p99", "bca"),
        ("users", "bac"),
        ("change", "bac"),
        ("endpoint", "abc"),
    ],
)
def test_endpoints_follow_the_column_asked_for(sort, order):
    assert "".join(row.endpoint[1] for row in sorted_endpoints(ENDPOINTS, sort)) == order
    assert "".join(row.endpoint[1] for row in sorted_endpoints(ENDPOINTS, f"-{sort}")) == order[::-1]


@pytest.mark.parametrize("sort", ["", "p95", "-p95"])
def test_without_a_column_of_theirs_the_most_come_first(sort):
    assert [row.feature for row in sorted_features(FEATURES, sort)] == ["b", "a", "c"]
    assert [row.endpoint for row in sorted_endpoints(ENDPOINTS, "-repeat")] == ["/b", "/a", "/c"]


def test_withheld_cells_are_in_the_order_of_names_after_what_is_shown():
    few = [feature_row(name, Withheld.FEW, Withheld.HIDDEN, Withheld.HIDDEN, 0, None) for name in "zyx"]
    assert [row.feature for row in sorted_features([*few, *FEATURES], "uses")] == list("xyzbca")
    change = [*FEATURES, feature_row("w", 9, 9, 0.1, 0, Withheld.HIDDEN)]
    assert [row.feature for row in sorted_features(change, "change")] == ["c", "b", "w", "a"], "as if 0"
    methods = [ENDPOINTS[0]._replace(method=method) for method in ("PUT", "GET")]
    assert [row.method for row in sorted_endpoints(methods, "name")] == ["GET", "PUT"]
