"""Page views: a page's own words are kept, ids and whoever stands in a path are not."""

import re
import string
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.mapping.aliases import PAGE_PATH, PAGE_ROUTE
from ingest.mapping.name_limits import RouteBook
from ingest.mapping.page_paths import page_template
from tests.support.examples import examples


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/pricing", "/settings/billing", "/settings/two-factor", "/how-it-works", "/index.html"),
        *("/about/team", "/docs/getting-started", "/Settings", "/userSettings", "/FAQ", "/v2/pricing"),
        *("/step-2", "/sign_in", "/pricing/", "/users", "/projects/new", "/account/security", "/me/inbox"),
        *("/projects", "/reports/weekly", "/users/settings", "/einstellungen/abrechnung", "/dashboard"),
        *("/projects/create", "/admin/audit-log", "/search", "/invite", "/blog"),
    ],
)
def test_a_page_without_ids_is_stored_as_it_is(path: str) -> None:
    assert page_template(path) == path
    assert page_template(f"https://app.example:8443{path}?next=/users/alice#bob") == path


@pytest.mark.parametrize(
    ("path", "template"),
    [
        # Ids, codes, secrets.
        ("/projects/17", "/projects/{id}"),
        ("/projects/17/settings", "/projects/{id}/settings"),
        ("/projects/17/board/lane", "/projects/{id}/board/{id}"),
        ("/thing/23ac192d-b7d4-4c10-a7d7-6ef660de0c38/edit", "/thing/{id}/edit"),
        ("/thing/deadbeef", "/thing/{id}"),
        ("/thing/ab12cd", "/thing/{id}"),
        ("/thing/dQwAwXgWcQ", "/thing/{id}"),
        ("/thing/kQmXbTzW", "/thing/{id}"),
        ("/thing/kqmxbtzwprs", "/thing/{id}"),
        ("/thing/ABCDEFGH", "/thing/{id}"),
        ("/thing/eyJhbGciOi.eyJzdWIi.c2ln", "/thing/{id}"),
        ("/reset/kamelaro", "/reset/{id}"),
        ("/s/kamelaro", "/s/{id}"),
        ("/invite/bob@example.com/accept", "/invite/{id}/{id}"),
        ("/report-2024-11-30", "/{id}"),
        ("/2024/november", "/{id}/{id}"),
        ("/a-title-of-more-than-four-words", "/{id}"),
        ("/files/holiday.jpg", "/files/{id}"),
        ("/smith-contract.pdf", "/{id}"),
        # People and customers, behind whatever names them.
        *(
            (f"/{of}/alice", f"/{of}/{{id}}")
            for of in ("u", "users", "user", "profile", "profiles", "members")
        ),
        *(
            (f"/{of}/alice", f"/{of}/{{id}}")
            for of in ("team", "by", "author", "orgs", "tenants", "benutzer")
        ),
        *((f"/{of}/acme", f"/{of}/{{id}}") for of in ("customers", "clients", "companies", "team-members")),
        *((f"/{of}/alice", f"/{of}/{{id}}") for of in ("Users", "USERS", "userMembers", "settings/members")),
        ("/users/alice/settings", "/users/{id}/settings"),
        ("/users/alice/bob/carol", "/users/{id}/{id}/{id}"),
        ("/users/list/alice", "/users/list/{id}"),
        ("/users/active/alice", "/users/active/{id}"),
        ("/users/me/alice", "/users/me/{id}"),
        ("/users//alice", "/users/{id}"),
        ("/users/./alice", "/users/{id}"),
        ("/users/x/../alice", "/users/{id}/{id}"),
        ("\\users\\alice", "/users/{id}"),
        ("/search/alice", "/search/{id}"),
        ("/blog/my-trip-with-alice", "/blog/{id}"),
        ("/@alice", "/{id}"),
        ("/~alice/notes", "/{id}/notes"),
        ("/+alice", "/{id}"),
        ("/%40alice", "/{id}"),
        ("/%2540alice", "/{id}"),
        ("/users/%61lice", "/users/{id}"),
        ("/users%2Falice", "/{id}"),
        ("/users%252Falice/bob", "/{id}/{id}"),
        ("/%75sers/alice", "/{id}/{id}"),
        ("/%2575sers/alice", "/{id}/{id}"),
        ("/u/\uff41lice", "/u/{id}"),
        ("/\uff55sers/alice", "/{id}/{id}"),
        ("/caf\u00e9", "/{id}"),
        ("/users/\u0430lice", "/users/{id}"),
        ("/JaneDoe", "/{id}"),
        ("/janeDoe", "/{id}"),
        ("/Jane-Doe", "/{id}"),
        ("/jane.doe", "/{id}"),
        ("/jane+doe", "/{id}"),
        ("/{alice}", "/{id}"),
        ("/:alice", "/{id}"),
        ("/alice's", "/{id}"),
        ("/a\x00b", "/{id}"),
        ("//host.example/alice", "/{id}/{id}"),
        ("file:///home/alice/app.html", "/home/{id}/{id}"),
        ("file:///C:/Users/alice/index.html", "/{id}/Users/{id}/index.html"),
        ("app://alice@host.example/users/alice", "/users/{id}"),
        ("chrome-extension://abcdef/popup.html", "/{id}/{id}/{id}"),
        ("/p?/alice", "/p"),
        ("/a;u=alice/b", "/a"),
        # No paths.
        ("alice", ""),
        ("www.example.com/alice", ""),
        ("mailto:bob@example.com", ""),
        ("", ""),
    ],
)
def test_what_may_be_an_id_or_a_name_is_not_kept(path: str, template: str) -> None:
    assert page_template(path) == template


def test_a_long_path_is_cut_between_its_parts() -> None:
    assert page_template("/" + "section/" * 60) == "/section" * 31
    assert page_template("/thing/" + "users/" * 1000 + "alice") == "/thing" + "/users" * 39
    assert page_template("/" + "a" * 100_000) == "/{id}"


parents = st.sampled_from(
    ["u", "users", "Members", "profile", "@x", "team", "r", "invite", "17", "customers"]
)
names = st.text(string.ascii_lowercase, min_size=4, max_size=12).map("q".__add__)
ways = st.sampled_from(
    [str, str.upper, str.capitalize, quote, lambda name: "%" + f"{ord(name[0]):x}" + name[1:]]
)
between = st.lists(st.sampled_from(["edit", "settings", "new", "", ".", "x", "%2e", "list"]), max_size=3)


@settings(max_examples=examples(50), deadline=None)
@given(parents, between, names, ways, st.sampled_from(["", "/edit", "/", "?a=b", "/bob"]))
def test_nobody_below_a_collection_is_kept(parent, through, name, way, after) -> None:  # type: ignore[no-untyped-def]
    template = page_template("/".join(["", parent, *through, way(name)]) + after)
    assert name.lower() not in template.lower()
    assert re.fullmatch(r"(/([A-Za-z0-9._-]*|\{id\}))+", template), template


def test_what_is_declared_or_was_seen_as_a_route_decides_first() -> None:
    book = RouteBook(["/people/{name}/garden", "/blog/launch", "/{path:path}", "/files/{rest:path}"])
    assert book.page("/people/alice/garden") == "/people/{name}/garden"
    assert book.page("/blog/launch?by=alice") == "/blog/launch"
    assert book.page("/blog/other") == "/blog/{id}"
    assert book.page("/files/alice/b") == "/files/{rest:path}"
    assert book.page("/pricing") == "/pricing"  # that every path is answered says nothing of pages
    assert RouteBook(["/{username}"]).page("/alice") == "/{username}"
    assert book.match("/pricing") == "/{path:path}"
    assert RouteBook([]).match("/pricing") == "{unmatched}"  # endpoints stay as they were


def test_the_documentation_lists_the_names_of_routes_and_paths_in_their_order() -> None:
    page = (Path(__file__).parents[3] / "docs" / "send-events.md").read_text()
    sentences = page.partition("The page of a page view is its route")[2].partition("the first one sent")[0]
    routes, _, paths = sentences.partition("Else it is its path")
    assert re.findall(r"`([^`]+)`", routes) == list(PAGE_ROUTE)
    assert re.findall(r"`([^`]+)`", paths) == list(PAGE_PATH)
