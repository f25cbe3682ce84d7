"""The report API, through the front door: who may read, parameters, answers."""

import csv
import io
import itertools
import json
import re
from datetime import date, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from analytics.models import RolledDay
from analytics.report_days import report_today, week_of
from analytics.rollups.reading import snapshot
from consent.keys import issue_key, revoke_key
from consent.pseudonyms import pseudonym
from dashboards.api import schema as schema_view
from dashboards.api.exports import EXPORTS
from ingest.traffic import counting
from tests.support.away import away
from tests.support.events import activity, endpoint, feature, installation, person

pytestmark = pytest.mark.django_db
YESTERDAY = report_today() - timedelta(days=1)
REPORTS = sorted(EXPORTS)


@pytest.fixture
def key(db):
    return issue_key(name="reports", scopes=["reports"])[0]


@pytest.fixture
def ask(key):
    """Ask for a report with a key: `ask("retention", range="7d")`."""

    def get(report, *, headers=None, **query):
        query = {name.rstrip("_"): value for name, value in query.items()}
        sent = {"x-api-key": key} if headers is None else headers
        return Client().get(f"/api/reports/{report}", query, headers=sent)

    return get


def table(response):
    return list(csv.DictReader(io.StringIO(response.content.decode())))


# --- who may ------------------------------------------------------------------------------------


@pytest.mark.parametrize("report", REPORTS)
def test_each_report_answers_a_key_in_json_and_csv(ask, report):
    document = ask(report).json()
    assert document["report"] == report
    assert document["time_zone"] == "UTC"
    response = ask(report, format="csv")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith(f'attachment; filename="candid-{report}-')
    header = next(csv.reader([response.content.decode().split("\r\n", 1)[0]]))
    assert header[: len(EXPORTS[report].columns)] == [column.name for column in EXPORTS[report].columns]
    assert "asked_time_zone" in header


@pytest.mark.parametrize("headers", [{"authorization": "Bearer {}"}, {"x-api-key": "{}"}])
def test_a_key_is_accepted_in_either_header(ask, key, headers):
    sent = {name: value.format(key) for name, value in headers.items()}
    assert ask("retention", headers=sent).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "cnd_wrong"}, {"authorization": "Bearer cnd_wrong"}])
def test_without_a_key_it_is_401_and_says_how(ask, headers):
    response = ask("retention", headers=headers)
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert set(response.json()["error"]) == {"code", "message"}


def test_a_revoked_key_is_401(ask):
    text, row = issue_key(name="old", scopes=["reports"])
    revoke_key(key=row)
    assert ask("retention", headers={"x-api-key": text}).status_code == 401


def test_a_key_without_the_scope_is_403(ask):
    text, _ = issue_key(name="app", scopes=["ingest", "consent", "heartbeat"])
    response = ask("retention", headers={"x-api-key": text})
    assert response.status_code == 403
    assert "scope" in response.json()["error"]["message"]


def test_staff_need_no_key_and_others_are_refused(staff, guest):
    assert staff.get("/api/reports/retention").status_code == 200
    assert guest.get("/api/reports/retention").status_code == 403
    assert Client().get("/api/reports/retention").status_code == 401


def test_a_bad_key_is_not_mended_by_a_session(staff):
    assert staff.get("/api/reports/retention", headers={"x-api-key": "cnd_wrong"}).status_code == 401


def test_only_reading_is_allowed(ask, key):
    response = Client().post("/api/reports/retention", headers={"x-api-key": key})
    assert response.status_code == 405
    assert response["Allow"] == "GET, HEAD, OPTIONS"


def test_a_key_of_an_organization_sees_that_one_only(ask):
    own, other = pseudonym("organization", "ours"), pseudonym("organization", "theirs")
    sunday = week_of(report_today()) - timedelta(days=1)
    for user in range(1, 7):
        activity(user, sunday, organization_id=own)
    for user in range(11, 31):
        activity(user, sunday, organization_id=other)
    text, _ = issue_key(name="customer", scopes=["reports"], organization_pseudonym=own)
    bound = {"x-api-key": text}
    document = ask("daily-active-users", headers=bound).json()
    assert document["headline"]["period_users"]["value"] == 6
    assert document["filters"]["org"] == own
    assert ask("daily-active-users", headers=bound, org=own).status_code == 200
    assert ask("daily-active-users", headers=bound, org=other).status_code == 403
    assert ask("installations", headers=bound).status_code == 403
    assert ask("daily-active-users").json()["headline"]["period_users"]["value"] == 26


# --- what is asked ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("range", "1y"),
        ("from_", "tomorrow"),
        ("deployment", "on-premises"),
        ("org", "acme@example.com"),
        ("format", "xml"),
        ("metric", "users"),
    ],
)
@pytest.mark.parametrize("report", ["retention", "installations"])
def test_bad_parameters_are_400_and_named(ask, report, parameter, value):
    response = ask(report, **{parameter: value})
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["code"], error["parameter"]) == ("bad_parameter", parameter.rstrip("_"))
    assert value not in response.content.decode()


def test_a_parameter_that_nobody_knows_is_not_ignored(ask):
    """`deployment_type=cloud` would otherwise answer for all deployments, and look right."""
    response = ask("retention", deployment_type="cloud")
    assert response.status_code == 400
    assert "deployment" in response.json()["error"]["message"]


def test_an_accept_header_does_not_matter(ask, key):
    response = ask("retention", headers={"x-api-key": key, "accept": "text/html"})
    assert response["Content-Type"] == "application/json"


def test_a_report_that_takes_too_long_is_503(ask, monkeypatch):
    """However slow the machine: no other statement takes a second, and this one is never done within it."""
    slow = snapshot.VERSIONS.replace("WHERE", ", pg_sleep(600) WHERE", 1)
    monkeypatch.setattr("analytics.rollups.reading.snapshot.VERSIONS", slow)
    monkeypatch.setattr("analytics.rollups.reading.reader.TIMEOUT_SECONDS", 1)
    activity(1, YESTERDAY)
    response = ask("daily-active-users")
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "timed_out"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("report", ["retention", "installations"])
def test_a_database_that_is_away_is_503(ask, monkeypatch, report):
    address = connections["analytics"].settings_dict
    connections["analytics"].close()
    monkeypatch.setitem(address, "HOST", "127.0.0.1")
    monkeypatch.setitem(address, "PORT", "1")  # where nobody listens
    response = ask(report)
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "unavailable"
    assert "127.0.0.1" not in response.content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("headers", [None, {"cookie": "sessionid=0123456789abcdef"}], ids=["key", "session"])
def test_a_database_that_is_away_when_the_caller_is_looked_up_is_503(ask, headers):
    with away("default"):
        response = ask("retention", headers=headers)
    assert response.status_code == 503
    message = "a database does not answer; ask again in a moment"
    assert response.json() == {"error": {"code": "unavailable", "message": message}}


# --- what comes back ----------------------------------------------------------------------------


def test_the_answer_says_what_it_is_about(ask):
    document = ask("daily-active-users", range="7d", deployment="self_hosted").json()
    assert document["filters"]["deployment"] == "self-hosted"
    assert document["today_is_partial"] is True
    assert [row["complete"] for row in document["rows"]] == [True] * 6 + [False]
    assert document["compared_with"]["to"] == str(YESTERDAY - timedelta(days=7))
    assert "accepted at least one event" in document["definitions"]["active_user"]


def test_few_people_read_as_such_everywhere(ask):
    for user in range(1, 4):
        feature(user, YESTERDAY, name="rare")
        endpoint(user, YESTERDAY, path="/rare")
    for user in range(1, 9):
        feature(user, YESTERDAY, name="common")
        endpoint(user, YESTERDAY, path="/common")
    rows = {row["feature"]: row for row in ask("feature-adoption").json()["rows"]}
    assert (rows["rare"]["users"], rows["rare"]["uses"], rows["rare"]["share"]) == ("<5", "hidden", "hidden")
    assert rows["common"]["users"] == 8
    (rare,) = [row for row in table(ask("feature-adoption", format="csv")) if row["feature"] == "rare"]
    assert (rare["users"], rare["uses"]) == ("<5", "hidden")
    rows = {row["endpoint"]: row for row in ask("endpoint-performance").json()["rows"]}
    assert rows["/rare"]["users"] == "<5"
    assert rows["/common"]["requests"] == 8
    assert ask("endpoint-performance").json()["total"]["requests"] == 8, "which leaves out the rare ones"
    assert (rows["/rare"]["few_more"], rows["/common"]["few_more"]) == (False, False)


def test_sessions_of_few_people_read_as_such(ask):
    for user in range(1, 4):
        activity(user, YESTERDAY)
    sessions = ask("daily-active-users", range="7d").json()["sessions"]
    assert sessions["signed_in"]["value"] == "<5"
    assert sessions["sign_ins_per_user"]["value"] == "hidden"


def test_nothing_of_suppression_leaks_into_the_document(ask):
    for user in range(1, 4):
        feature(user, YESTERDAY, name="rare")
        endpoint(user, YESTERDAY, path="/rare")
        activity(user, YESTERDAY)
    for report in REPORTS:
        text = ask(report).content.decode()
        assert not re.search(r"complete_users|compared_users|trend_users|stickiness_days|long_quiet", text)
        assert not re.search(r'"(users|requests|uses|all|new_users)": ?[1-4]\b', text)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_cells_that_a_spreadsheet_would_run_become_text(ask, start):
    feature(1, YESTERDAY, name=f'{start}HYPERLINK("http://x.example")')
    feature(1, YESTERDAY, name=f"page{start}view")
    text = ask("feature-adoption", format="csv").content.decode()
    names = {row["feature"] for row in csv.DictReader(io.StringIO(text, newline=""))}
    assert names == {f'\'{start}HYPERLINK("http://x.example")', f"page{start}view"}
    rows = ask("feature-adoption").json()["rows"]
    assert f'{start}HYPERLINK("http://x.example")' in {row["feature"] for row in rows}, "JSON is data"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝"])
@pytest.mark.parametrize("between", [";", "\t", "\n", "\r", ";\t\n", "; ", "|", ","])
def test_no_formula_begins_where_a_spreadsheet_may_cut_a_cell(ask, between, start):
    """Some cut at semicolons or tabs, whatever quotes say."""
    feature(1, YESTERDAY, name=f"page{between}{start}cmd()")
    text = ask("feature-adoption", format="csv").content.decode()
    for delimiter in ",;\t|":
        for cell in itertools.chain(*csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)):
            for line in cell.splitlines():
                assert not line.strip().startswith(start), repr(cell)
    assert f"page{between}'{start}cmd()" in text


def test_every_field_of_every_csv_is_quoted_and_numbers_stay_numbers(ask):
    for user in range(1, 8):
        feature(user, YESTERDAY, name="timer;stop")
        feature(user, YESTERDAY - timedelta(days=7), name="timer;stop")
        feature(user + 10, YESTERDAY - timedelta(days=7), name="timer;stop")
        endpoint(user, YESTERDAY)
        installation(user, [YESTERDAY])
    for report in REPORTS:
        text = ask(report, format="csv", range="7d", compare="1").content.decode()
        assert text.endswith('"\r\n')
        for line in text.split("\r\n")[:-1]:
            assert re.fullmatch(r'"[^"]*"(,"[^"]*")*', line), line
    (row,) = table(ask("feature-adoption", format="csv", range="7d", compare="1"))
    assert (row["feature"], row["users"], row["change"]) == ("timer;stop", "7", "-0.5")


def test_rows_can_be_chosen_by_name(ask):
    for user in range(1, 7):
        feature(user, YESTERDAY, name="one")
        feature(user, YESTERDAY, name="two")
        endpoint(user, YESTERDAY, path="/one", method="GET")
        endpoint(user, YESTERDAY, path="/one", method="POST")
    assert [row["feature"] for row in ask("feature-adoption", feature="two").json()["rows"]] == ["two"]
    rows = ask("endpoint-performance", endpoint="/one", method="POST").json()["rows"]
    assert [(row["endpoint"], row["method"]) for row in rows] == [("/one", "POST")]


def test_retention_in_csv_begins_with_the_whole_range(ask):
    for user in range(1, 11):
        activity(user, YESTERDAY - timedelta(days=12))
        if user > 5:
            activity(user, YESTERDAY - timedelta(days=10))
    first, *weeks = table(ask("retention", format="csv"))
    assert (first["cohort"], first["users"], first["retained"], first["rate"]) == ("range", "10", "5", "0.5")
    assert weeks[0]["cohort"] == "week"
    assert weeks[0]["week_0"] == "10"


def test_installations_are_listed_by_what_they_report(ask):
    for number in range(6):
        installation(number + 1, [YESTERDAY], version="3.1", platform="linux")
    rows = {(row["group"], row["kind"]): row for row in ask("installations").json()["rows"]}
    assert rows["version", "3.1"]["installations"] == 6
    assert rows["platform", "linux"]["share"] == 1.0


def test_an_organization_can_be_asked_for_by_its_pseudonym(ask):
    for user in range(1, 13):
        activity(user, YESTERDAY, organization_id=person(5 if user < 7 else 6))
    assert ask("daily-active-users", org=person(5)).json()["headline"]["yesterday"]["value"] == 6


def test_every_column_of_active_users(ask):
    for user in range(1, 6):
        activity(user, YESTERDAY)
        activity(user + 10, YESTERDAY, deployment_type="self-hosted")
        activity(user + 20, YESTERDAY - timedelta(days=7), deployment_type="unknown")
        activity(user, YESTERDAY - timedelta(days=7))
    document = ask("daily-active-users", range="7d").json()
    assert document["rows"][-2] == {
        "date": YESTERDAY.isoformat(),
        "all": 10,
        "cloud": 5,
        "self_hosted": 5,
        "not_reported": 0,
        "complete": True,
        "previous_all": 10,
    }
    assert document["headline"]["wau"] == {"value": 10, "before": 10}
    assert document["headline"]["average"]["value"] == round(10 / 6, 6)
    assert (document["users_so_far"], document["metric"]) == (10, "dau")
    assert document["sessions"]["signed_in"]["value"] == 10
    assert document["suppress_below"] == 5
    alone = ask("daily-active-users", range="7d", compare="0").json()
    assert {row["previous_all"] for row in alone["rows"]} == {None}
    assert alone["compared_with"] is None


def test_every_column_of_features(ask):
    for user in range(1, 11):
        for day in (1, 2, 40):
            feature(user, YESTERDAY - timedelta(days=day), name="timer")
        feature(user + 10, YESTERDAY, name="timer", action="stopped")
    (row,) = ask("feature-adoption").json()["rows"]
    assert row == {
        "feature": "timer",
        "users": 20,
        "share": 1.0,
        "uses": 30,
        "uses_per_user": 1.5,
        "repeat_users": 10,
        "actions": 2,
        "change": 1.0,
        "previous_users": 10,
        "previous_share": 1.0,
        "few_more": False,
    }
    (line,) = table(ask("feature-adoption", format="csv"))
    assert {name: line[name] for name in row} == {name: str(value) for name, value in row.items()}
    question = {name: value for name, value in line.items() if name.startswith("asked_")}
    assert (question["asked_time_zone"], question["asked_deployment"], question["asked_org"]) == (
        "UTC",
        "all",
        "all",
    )
    assert (question["asked_to"], question["asked_internal"]) == (report_today().isoformat(), "False")
    assert question["asked_sealed_until"] == ""


def test_every_column_of_endpoints(ask):
    for user in range(1, 11):
        endpoint(user, YESTERDAY, ms=100.0, status=500 if user < 3 else 200)
        endpoint(user, YESTERDAY - timedelta(days=40), ms=50.0)
    (row,) = ask("endpoint-performance").json()["rows"]
    assert {
        name: row[name] for name in ("endpoint", "method", "requests", "errors", "error_rate", "users")
    } == {
        "endpoint": "/a",
        "method": "GET",
        "requests": 10,
        "errors": 2,
        "error_rate": 0.2,
        "users": 10,
    }
    assert row["mean_ms"] == 100.0
    assert [row[name] for name in ("p50_ms", "p95_ms", "p99_ms")] == [pytest.approx(100, rel=0.01)] * 3
    assert row["previous_p95_ms"] == pytest.approx(50, rel=0.01)
    assert row["p95_change"] == pytest.approx(1.0, rel=0.03)


def test_measures_have_six_decimals(ask):
    for user in range(1, 16):
        feature(user, YESTERDAY, name="timer" if user < 6 else "other")
    (row,) = ask("feature-adoption", feature="timer").json()["rows"]
    (line,) = table(ask("feature-adoption", feature="timer", format="csv"))
    assert (row["share"], line["share"]) == (0.333333, "0.333333")


def test_the_columns_of_a_cohort_end_with_its_present_week(ask):
    for user in range(1, 11):
        activity(user, YESTERDAY - timedelta(days=20))
    row, *_ = [row for row in ask("retention").json()["rows"] if row["cohort"] == "week"]
    first = date.fromisoformat(row["from"])
    assert (first.weekday(), date.fromisoformat(row["to"]) - first) == (0, timedelta(days=6))
    assert (row["users"], row["mature"], row["retained"], row["rate"], row["complete"]) == (
        10,
        10,
        0,
        0.0,
        True,
    )
    assert (row["week_0"], row["week_1"], row["week_11"]) == (10, 0, None)
    whole = ask("retention").json()["rows"][0]
    assert (whole["cohort"], whole["to"], whole["complete"], whole["week_0"]) == (
        "range",
        report_today().isoformat(),
        True,
        None,
    )


def test_sealed_days_are_explained_where_there_are_any(ask):
    assert "sealed" not in ask("retention").json()["definitions"]
    RolledDay.objects.create(
        day=report_today() - timedelta(days=20), state=RolledDay.Phase.SEALED, zone="UTC"
    )
    document = ask("daily-active-users").json()
    assert document["sealed_until"] == (report_today() - timedelta(days=20)).isoformat()
    assert "sealed" in document["definitions"]
    assert document["compared_with"] is None


def test_answers_are_for_the_one_who_asked_and_files_have_names(ask):
    response = ask("retention", format="csv", from_="2026-01-05", to="2026-01-11")
    assert response["Cache-Control"] == "private, no-store"
    assert 'filename="candid-retention-2026-01-05-2026-01-11.csv"' in response["Content-Disposition"]
    assert ask("retention", format="").json()["report"] == "retention"
    assert ask("retention", rows="all", print="1").status_code == 200, "parameters of pages"
    assert ask("retention", feature="timer").status_code == 400, "a parameter of another report"


def test_the_use_of_a_key_is_noted(ask):
    text, row = issue_key(name="watched", scopes=["reports"])
    assert ask("retention", headers={"x-api-key": text}).status_code == 200
    counting.flush()
    row.refresh_from_db()
    assert row.last_used_at is not None


def test_an_account_that_was_closed_reads_nothing(staff):
    User.objects.update(is_active=False)
    assert staff.get("/api/reports/retention").status_code in (401, 403)


def test_an_empty_organization_is_the_one_of_the_key(ask):
    own = pseudonym("organization", "ours")
    for user in range(1, 6):
        activity(user, week_of(report_today()) - timedelta(days=1), organization_id=own)
    text, _ = issue_key(name="customer", scopes=["reports"], organization_pseudonym=own)
    document = ask("retention", headers={"x-api-key": text}, org="").json()
    assert document["filters"]["org"] == own


# --- documentation ------------------------------------------------------------------------------


def test_the_schema_describes_every_report():
    schema = json.loads(Client().get("/api/schema/", {"format": "json"}).content)
    assert {f"/api/reports/{name}" for name in EXPORTS} <= set(schema["paths"])
    operation = schema["paths"]["/api/reports/retention"]["get"]
    assert {"range", "from", "to", "deployment", "org"} <= {one["name"] for one in operation["parameters"]}
    assert set(operation["responses"]) == {"200", "400", "401", "403", "503"}
    assert operation["security"]


def test_the_schema_is_made_once(monkeypatch):
    """Making it takes a second: forty visitors who asked for it once kept withdrawals waiting for 8 s."""
    made = []
    get_schema = SchemaGenerator.get_schema
    monkeypatch.setattr(schema_view, "_texts", {})
    monkeypatch.setattr(
        SchemaGenerator, "get_schema", lambda *args, **names: made.append(1) or get_schema(*args, **names)
    )
    answers = [Client().get("/api/schema/", {"format": kind}) for kind in ("json", "yaml", "json", "yaml")]
    assert len(made) == 2  # once for each format
    assert [answer["Content-Type"] for answer in answers[:2]] == [
        "application/vnd.oai.openapi+json",
        "application/vnd.oai.openapi",
    ]
    assert answers[0].content == answers[2].content
    assert answers[1].content.startswith(b"openapi: 3.")


def test_the_documentation_needs_nothing_inline():
    response = Client().get("/api/docs/")
    page = response.content.decode()
    assert response.status_code == 200
    assert "<style" not in page
    assert not re.search(r"<script>|<script(?![^>]* src=)|style=|onload=", page)
    assert "unsafe" not in response["Content-Security-Policy"]
    script = Client().get("/api/docs/?script=")
    assert script["Content-Type"].startswith("application/javascript")
