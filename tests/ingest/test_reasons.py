"""The table of reasons: complete, and the words that follow from it."""

import re
from pathlib import Path

import pytest

from consent.gate import refusals
from ingest import reasons
from ingest.errors import CODES

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r'(?:RecordRefused|Unroutable)\(\s*"(\w+)"|refused\["(\w+)"\]|reason\s*=\s*"(\w+)"')


def named_in_code() -> set[str]:
    """Every reason that code refuses something for."""
    files = [
        *ROOT.glob("ingest/**/*.py"),
        *ROOT.glob("analytics/storage/*.py"),
        ROOT / "consent/keys/authentication.py",
    ]
    return {name for path in files for groups in NAMED.findall(path.read_text()) for name in groups if name}


def test_every_reason_that_code_names_is_in_the_table() -> None:
    named = named_in_code()
    assert {"unroutable", "too_old", "busy", "wrong_origin", "do_not_track"} <= named
    assert named <= reasons.REASONS.keys()


def test_every_reason_of_the_gate_has_words_and_is_told_only_if_nobody_s_decision_makes_it() -> None:
    of_decisions = {refusals.ORGANIZATION, refusals.USER, refusals.BOTH, refusals.STALE}
    assert of_decisions == {reason for reason in reasons.TELLING if reason.startswith("no_consent")}
    for reason in (refusals.NAMES_NOBODY, refusals.SWITCHED_OFF):
        assert reason not in reasons.TELLING
        assert reasons.answer_words(reason) != reason


def test_every_status_has_a_usual_reason_and_a_code_of_grpc() -> None:
    assert set(reasons.STATUS.values()) == CODES.keys() - {404}
    usual = {status: reasons.usual(status) for status in set(reasons.STATUS.values())}
    assert usual == {
        400: "malformed",
        401: "no_key",
        403: "wrong_scope",
        405: "wrong_method",
        408: "too_slow",
        413: "too_large",
        415: "wrong_type",
        429: "rate_limited",
        500: "our_mistake",
        503: "unavailable",
    }


@pytest.mark.parametrize(
    ("reason", "page", "answer"),
    [
        ("no_time_travel", "no time travel", None),  # counted by another version
        ("too_old", "older than events are kept", "it is older than events are kept"),
        ("no_timestamp", "no time", "it has no time"),
    ],
)
def test_a_reason_has_words_for_the_page_and_for_the_sender(
    reason: str, page: str, answer: str | None
) -> None:
    assert reasons.page_words(reason) == page
    assert answer is None or reasons.answer_words(reason) == answer
