"""One failing item does not stop the rest, and its error is raised at the end."""

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from analytics.jobs.failures import Failures


def failing(*errors: Exception | None) -> Failures:
    failures = Failures()
    for number, error in enumerate(errors, 1):
        with failures.keep(f"item {number}"):
            if error:
                raise error
    return failures


def test_without_a_failure_nothing_is_raised() -> None:
    failing(None, None).raise_kept()


def test_a_single_error_is_raised_as_it_was_with_its_items_name() -> None:
    with pytest.raises(KeyError) as raised:
        failing(None, KeyError("lost"), None).raise_kept()
    assert raised.value.__notes__ == ["This was item 2."]


def test_several_are_a_group_that_quotes_the_first_without_a_databases_details() -> None:
    with pytest.raises(ExceptionGroup) as raised:
        failing(ValueError("no room\nDETAIL: a row"), KeyError("lost")).raise_kept()
    assert raised.value.message == "2 failed, first ValueError: no room"
    assert len(raised.value.exceptions) == 2


def test_that_time_is_up_ends_the_run_at_once() -> None:
    with pytest.raises(SoftTimeLimitExceeded):
        failing(SoftTimeLimitExceeded(), KeyError("never reached"))
