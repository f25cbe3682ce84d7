"""What a client asks for is not logged: an address may hold an id. Nor are jobs with nothing to do."""

import contextlib
import logging
from io import StringIO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from django.conf import settings
from django.http import HttpRequest
from django.test import Client, RequestFactory

from tests.support.instances import Instance, data_dir


@pytest.mark.django_db
@pytest.mark.parametrize(
    "ask", [{"path": "/users/somebody-4711/"}, {"path": "/", "HTTP_HOST": "evil.example"}]
)
def test_a_request_that_leads_nowhere_leaves_no_line(client, caplog, ask):
    answer = client.get(ask.pop("path"), **ask)
    assert answer.status_code in (400, 404)
    assert not [record for record in caplog.records if record.levelno >= 30]


@pytest.mark.parametrize(
    ("line", "is_logged"),
    [
        ("Task analytics.tasks.tick[3f] succeeded in 0.01s: 'Beat and a worker are alive.'", False),
        ("Task analytics.tasks.erase[3f] succeeded in 0.01s: ''", False),
        ("Task analytics.tasks.erase[3f] succeeded in 4.2s: 'Erased 1 user.'", True),
        ("Task analytics.tasks.erase[3f] retry: Retry in 10s: ValueError('')", True),
    ],
)
def test_a_job_with_nothing_to_do_leaves_no_line(line: str, is_logged: bool) -> None:
    kept = settings.LOGGING["filters"]["no idle job"]["callback"]
    assert kept(logging.makeLogRecord({"msg": line})) is is_logged


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What this process writes to its log, as it writes it."""
    text = StringIO()
    (handler,) = (handler for handler in logging.getLogger().handlers if handler.name == "console")
    monkeypatch.setattr(handler, "stream", text)
    return text


def test_a_form_from_elsewhere_is_logged_without_address_and_origin(db: None, console: StringIO) -> None:
    client = Client(enforce_csrf_checks=True)
    origin = "https://somebody-4711.example"
    for path in ("/accounts/login/?next=/somebody-4711/", "/dashboards/features/somebody-4711/"):
        assert client.post(path, headers={"origin": origin}).status_code == 403
    assert console.getvalue().splitlines() == [
        "WARNING django.security.csrf: 403 for POST accounts/login/",
        "WARNING django.security.csrf: 403 for POST dashboards/features/<path:name>/",
    ]


def test_a_suspicious_request_is_logged_without_what_it_says(db: None, console: StringIO) -> None:
    fields = {f"somebody-{number}": "4711" for number in range(1001)}
    assert Client().post("/accounts/login/?a=somebody-4711", fields).status_code == 400
    assert console.getvalue() == "ERROR django.security.TooManyFieldsSent: 400 for POST accounts/login/\n"


def test_our_mistakes_are_logged_with_lines_of_code_and_nothing_that_was_sent(
    db: None, console: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(request: HttpRequest) -> None:
        raise ValueError(f"cannot read {request.get_full_path()}") from KeyError(request.GET["a"])

    monkeypatch.setattr("django.contrib.auth.views.LoginView.dispatch", lambda self, request: fail(request))
    client = Client(raise_request_exception=False)
    assert client.post("/accounts/login/?a=somebody-4711").status_code == 500
    first, *lines = console.getvalue().splitlines()
    assert first == "ERROR django.request: 500 for POST accounts/login/"
    assert lines[-1] == "ValueError"
    assert any("in fail" in line for line in lines)
    assert "4711" not in console.getvalue()


def test_a_method_that_nobody_knows_is_not_repeated(console: StringIO) -> None:
    request = RequestFactory().generic("SOMEBODY-4711", "/")
    logging.getLogger("django.request").error("no", extra={"request": request, "status_code": 500})
    assert console.getvalue() == "ERROR django.request: 500 for a request that no address of ours takes\n"


def test_other_lines_are_written_as_they_are(console: StringIO) -> None:
    logging.getLogger("consent").warning("the %s", "witness")
    assert console.getvalue() == "WARNING consent: the witness\n"


@pytest.mark.proof
def test_the_running_server_logs_no_address_of_an_anonymous_post() -> None:
    with data_dir() as directory:
        instance = Instance(directory)
        instance.ready()
        for port in (instance.port, instance.otlp_port):
            for path in ("/accounts/login/?somebody-4711", "/v1/traces?somebody-4711", "/somebody-4711/"):
                for body in (b"{", b"", b"a=somebody-4711&" * 2000):
                    headers = {"Origin": "https://somebody-4711.example", "Content-Type": "application/json"}
                    request = Request(f"http://127.0.0.1:{port}{path}", body, headers, method="POST")
                    with contextlib.suppress(HTTPError):
                        urlopen(request, timeout=10).close()
        instance.stop()
    assert [line for line in instance.lines if "4711" in line] == []
    assert [line for line in instance.lines if "403 for POST accounts/login/" in line]
