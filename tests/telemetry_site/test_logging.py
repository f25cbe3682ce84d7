"""What a client asks for is not logged: an address may hold an id."""

import pytest


@pytest.mark.django_db
@pytest.mark.parametrize(
    "ask", [{"path": "/users/somebody-4711/"}, {"path": "/", "HTTP_HOST": "evil.example"}]
)
def test_a_request_that_leads_nowhere_leaves_no_line(client, caplog, ask):
    answer = client.get(ask.pop("path"), **ask)
    assert answer.status_code in (400, 404)
    assert not [record for record in caplog.records if record.levelno >= 30]
