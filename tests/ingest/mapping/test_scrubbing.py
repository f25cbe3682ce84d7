"""What careless and hostile senders put in place of a name, and what is left of it."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.storage.rows import BaseEvent, Row
from consent.registry.registry import current_registry
from ingest.mapping import scrubbing
from ingest.mapping.name_limits import RouteBook
from ingest.mapping.rows import RowMaker
from tests.support.otlp import KEPT_FROM, NOW, SERVER, record

REGISTRY = current_registry()


def made(*given: Any, **more: Any) -> tuple[Any, str]:
    """What becomes of one record: its row or base event, or why there is none."""
    maker = RowMaker(
        organization="",
        do_not_track=False,
        now=NOW,
        kept_from=KEPT_FROM,
        registry=REGISTRY,
        routes=RouteBook(REGISTRY.endpoints),
    )
    _, rows, _, base_events, refused = maker.map([record(*given, **more)])
    return next(iter([*rows, *base_events]), None), next(iter(refused), "")


def row(*given: Any, **more: Any) -> Row:
    found, reason = made(*given, **more)
    assert isinstance(found, Row), reason
    return found


@pytest.mark.parametrize(
    ("attributes", "names"),
    [
        ({"feature.name": "Manhattan", "project_name": "Manhattan"}, ("{id}", "used")),
        ({"feature.name": "export_janedoe", "metadata.username": "janedoe"}, ("export_{id}", "used")),
        ({"feature.name": "acme-industries board", "client_name": "ACME Industries"}, ("{id} board", "used")),
        ({"feature.name": "board of Jane", "user.name": "jane"}, ("board of {id}", "used")),
        ({"feature.name": "janedoe", "user.id": "17", "identity": "janedoe"}, ("{id}", "used")),
        ({"feature.name": "export", "username": "port"}, ("export", "used")),  # only whole words
        ({"feature.name": "admin panel", "username": "admin"}, ("admin panel", "used")),
        ({"feature.name": "project 482", "feature.action": "open_4711"}, ("project {id}", "open_{id}")),
        ({"feature.name": "user912345"}, ("user{id}", "used")),
        ({"feature.name": "oauth2 sha256 base64"}, ("oauth2 sha256 base64", "used")),
    ],
)
def test_what_an_event_says_is_private_is_in_no_name_of_it(
    attributes: dict[str, str], names: tuple[str, str]
) -> None:
    assert row(attributes=attributes).names == names


def test_what_the_resource_says_is_private_is_in_no_name_of_its_records() -> None:
    resource = {"user.full_name": "Jane Doe", "user.id": "u-17-jane"}
    assert row(resource=resource, feature__name="jane.doe desk", feature__action="u-17-jane").names == (
        "{id} desk",
        "{id}",
    )


def test_a_name_in_a_route_goes_with_the_username_beside_it() -> None:
    http = {"http.method": "GET", "http.route": "/by/janedoe/posts", "metadata.username": "JaneDoe"}
    assert row(kind=SERVER, attributes=http).names[0] == "/by/{id}/posts"


@pytest.mark.parametrize(
    "attributes",
    [
        {"event.type": "Invited Bob Builder to a project"},
        {"feature.name": "search", "feature.action": "query: how to fire jane doe"},
        {"feature.name": "lorem " * 400},
    ],
)
def test_a_sentence_is_no_name(attributes: dict[str, str]) -> None:
    assert made(attributes=attributes) == (None, "free_text")


@pytest.mark.parametrize("name", ["bob@corp", "share:bob@intranet", "bob%40corp"])
def test_an_address_without_a_dot_is_an_address(name: str) -> None:
    assert made(feature__name=name) == (None, "personal_data")


@pytest.mark.parametrize("route", ["/wiki/John_Smith", "/by/Jane-Doe", "/files/jane.doe", "/x/Jane%20Doe"])
def test_a_person_in_a_route_that_is_a_raw_path(route: str) -> None:
    name = row(kind=SERVER, http__method="GET", http__route=route).names[0]
    assert name == route.rpartition("/")[0] + "/{id}"


@pytest.mark.parametrize("name", ["http.target", "url.path", "http.url", "url.full"])
def test_a_raw_path_that_no_template_fits_is_not_kept(name: str) -> None:
    path = "/wiki/John_Smith?token=x" if name != "http.url" else "http://host.example/wiki/John_Smith#y"
    found = row("GET /wiki/John_Smith", kind=SERVER, attributes={"http.method": "GET", name: path})
    assert found.names[0] == "{unmatched}"


def test_facts_of_an_installation_hold_neither_host_nor_person() -> None:
    found, reason = made(
        "base_telemetry.heartbeat",
        attributes={
            "install_id": "5c535447",
            "username": "janedoe",
            "app_version": "5.10.0-janedoe",
            "os_version": "5.15.0-janes-laptop",
            "timezone": "Europe/JaneDoe",
            "platform": "Linux janes-laptop",
            "telemetry_fingerprint": "f" * 64,
        },
    )
    assert isinstance(found, BaseEvent), reason
    assert found.facts == {"platform": "other"}


@pytest.mark.parametrize("text", ["5.10.0-janedoe", "4915123456789", "1janedoe", "1.2.3.4"])
def test_what_is_no_version_is_not_kept_as_one(text: str) -> None:
    assert "app_version" not in row("timer.started", app_version=text).metadata


@pytest.mark.parametrize(
    "text", ["5.10.0", "v1.2.3-rc.1", "2.0.0-SNAPSHOT", "1.4.dev12+gabc1234", "2026.11.23"]
)
def test_a_version_is_kept(text: str) -> None:
    assert row("timer.started", app_version=text).metadata == {"app_version": text}


@pytest.mark.parametrize("key", ["npm_janedoe000123Ab", "ghp_janedoe000124Ab", "sk_live_janedoe00125Ab"])
@pytest.mark.parametrize("name", ["feature.name", "feature.action", "event.type"])
def test_a_key_is_refused_before_its_digits_are_taken_out(name: str, key: str) -> None:
    """Without its digits, `npm_janedoe{id}Ab` no longer looked like a key, and was stored."""
    attributes = {"feature.name": "export", name: f"by {key}"}
    assert made("timer.started", attributes=attributes) == (None, "personal_data")


@pytest.mark.parametrize(
    ("on_resource", "on_record", "tracked"),
    [(True, False, False), (False, True, False), (None, None, False), ("false", 0, True)],
)
def test_a_signal_not_to_track_cannot_be_taken_back(on_resource: Any, on_record: Any, tracked: bool) -> None:
    """A record's `false` does not undo its resource's signal; a value that cannot be read counts as yes."""
    name = "telemetry.do_not_track"
    found = row("timer.started", resource={name: on_resource}, attributes={name: on_record})
    assert found.do_not_track is not tracked


def test_texts_of_megabytes_cost_little_and_stay_in_no_cache() -> None:
    """Routes of a megabyte were once keys of a cache, up to 8192; on a resource one was read per record."""
    huge = "/a b@" * 400_000
    attributes = {"http.method": "GET", "http.route": huge, "feature.name": huge, "event.name": huge}
    attributes |= {"duration_ms": huge, "telemetry.do_not_track": "false"}
    began = time.process_time()
    for _ in range(200):
        made(kind=SERVER, resource=attributes, user__id="u1")
    assert time.process_time() - began < 2


def test_hostile_texts_take_no_time() -> None:
    texts = ["1" + "-a1" * 85, "a_" * 127, "A." * 127, "1" + "rc1c" * 63, "a@" * 127, "Aa-" * 85, "0" * 255]
    began = time.process_time()
    for text in texts:
        for name in ("app_version", "os_version", "error.type", "timezone", "feature.name", "http.route"):
            made("a.b", attributes={name: text + "!", "username": text[:90], "http.method": "GET"})
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("route", "private", "template"),
    [
        ("/by/jane%20doe/posts", {"username": "Jane Doe"}, "/by/{id}/posts"),
        ("/by/%6Aanedoe/posts", {"username": "janedoe"}, "/by/{id}/posts"),
        ("/by/ja%6Eedoe", {"identity": "janedoe"}, "/by/{id}"),
        ("/by/janedoe.html", {"user.id": "janedoe"}, "/by/{id}"),
        ("/janedoe/janedoe", {"user.id": "janedoe"}, "/{id}/{id}"),
        ("/by/posts", {"user.id": "janedoe"}, "/by/posts"),
    ],
)
def test_a_private_word_is_in_no_part_of_a_route_however_it_is_encoded(
    route: str, private: dict[str, str], template: str
) -> None:
    http = {"http.method": "GET", "http.route": route} | private
    assert row(kind=SERVER, attributes=http).names[0] == template
    on_resource = {"http.method": "GET", "http.route": route}
    assert row(kind=SERVER, attributes=on_resource, resource=private).names[0] == template


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({"user.id": "exp"}, "export"),  # three characters may be part of any word
        ({"user.id": "expo"}, "{id}rt"),
        ({"user.id": "null", "identity": "undefined"}, "export"),
        ({"username": "ex"}, "export"),
        ({"username": "exp"}, "export"),
        ({"username": "export"}, "{id}"),
        ({"username": "EXPORT"}, "{id}"),
        ({"username": "x" * 101}, "export"),
        ({"username": "..."}, "export"),
    ],
)
def test_what_is_too_short_or_stands_for_nobody_hides_nothing(sent: dict[str, str], stored: str) -> None:
    assert row(attributes=sent | {"feature.name": "export"}).names[0] == stored


@pytest.mark.parametrize(
    ("ids", "name", "stored"),
    [
        ({"user.id": "7"}, "profile-7", "profile-{id}"),
        ({"user.id": 7}, "7", "{id}"),
        ({"user.id": "7"}, "profile7 v27", "profile7 v27"),  # no words of their own
        ({"user.id": "JaneDoe"}, "janedoe-board", "{id}-board"),
        ({"user.id": "janedoe"}, "JANEDOEboard", "{id}board"),
        ({"organization.id": "ibm"}, "IBM report", "{id} report"),
        ({"organization.id": "ibm"}, "ibm_report", "{id}_report"),
        ({"organization.id": "web"}, "web search", "web search"),  # nobody's
        ({"user.id": " nan "}, "nan", "nan"),
        ({"session.id": "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}dil"}, "board of \u0130DIL", "{id}"),
    ],
)
def test_an_id_in_another_letter_case_and_a_short_one_as_a_word_are_in_no_name(
    ids: dict[str, Any], name: str, stored: str
) -> None:
    """`profile-7` and `janedoe-board` survived: ids were compared as sent, from four characters on."""
    assert row(attributes={**ids, "feature.name": name}).names[0] == stored
    assert row(resource=ids, attributes={"feature.name": name}).names[0] == stored
    assert row(attributes={**ids, "event.type": name}).names[0] == stored


@pytest.mark.parametrize(
    ("ids", "route", "stored"),
    [
        ({"organization.id": "ibm"}, "/t/ibm/dash/{id}", "/t/{id}/dash/{id}"),
        ({"organization.id": "ibm"}, "/t/IBM-dash/{key}", "/t/{id}/{key}"),
        ({"organization.id": "ibm"}, "/t/ibmx/dash", "/t/ibmx/dash"),
        ({"organization.id": "bigcorp"}, "/bigCorp/x", "/{id}/x"),
        ({"organization.id": "BigCorp"}, "/team-bigcorp/x", "/{id}/x"),
        ({"user.id": "1"}, "/api/v1/boards", "/api/v1/boards"),
    ],
)
def test_an_id_in_another_letter_case_and_a_short_one_as_a_word_are_in_no_route(
    ids: dict[str, Any], route: str, stored: str
) -> None:
    sent = {"http.request.method": "GET", "http.route": route}
    assert row(kind=SERVER, attributes={**ids, **sent}).names[0] == stored
    assert row(kind=SERVER, resource=ids, attributes=sent).names[0] == stored


def test_a_short_number_is_looked_for_in_names_and_not_in_a_version() -> None:
    sent = {"user.id": "5", "feature.name": "board 5", "app_version": "5.10.0"}
    found = row(attributes=sent)
    assert (found.names[0], found.metadata) == ("board {id}", {"app_version": "5.10.0"})
    assert row(attributes=sent | {"user.id": "5.10.0"}).metadata == {}
    assert row(attributes=sent | {"user.id": "de", "locale": "de"}).metadata == {"app_version": "5.10.0"}


@pytest.mark.parametrize(
    ("raw", "texts", "may"),
    [
        ("1", ["/api/v1/boards", "item 21"], False),
        ("ex", ["export ex2 ex_port"], True),
        ("ex", ["export ex2"], False),
        ("7", ["profile-7"], True),
        ("a-b", ["xa-bx"], True),  # no word: looked at closely
        ("port", ["export"], True),
        ("ex", ["exp\u00f6rt"], True),  # so are letters that may have further cases
        ("ex", ["export", *(f"w{number}" for number in range(17))], True),  # and texts of many short words
        ("ex", ["export", *(f"w{number}" for number in range(16))], False),
        ("", ["export"], False),
    ],
)
def test_a_record_is_looked_at_closely_only_where_it_may_hold_an_id(
    raw: str, texts: list[str], may: bool
) -> None:
    assert scrubbing.texts_of(texts, {}).may_have(raw) is may


def test_a_short_number_in_a_version_is_no_reason_to_look_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Any] = []
    read = scrubbing.private
    monkeypatch.setattr(scrubbing, "private", lambda sent: (looked.append(sent), read(sent))[1])
    for name in ("export", "board v1"):
        sent = {"user.id": "1", "feature.name": name, "app_version": "5.1.0"}
        assert row(attributes=sent).metadata == {"app_version": "5.1.0"}
    assert [one for one in looked if one] == []


@given(
    st.lists(
        st.sampled_from(["a", "ex", "7", "12", "ibm", "export", "a-b", "K", "\u0131", "\u017f", "s", "i"])
    ),
    st.sampled_from(["a", "ex", "7", "12", "ibm", "s", "i", "k", "a-b", "\u0131"]),
    st.sampled_from([" ", "-", "_", "", "\n", "."]),
)
def test_what_is_not_looked_at_closely_holds_no_id(words: list[str], raw: str, between: str) -> None:
    text = between.join(words)
    hidden = scrubbing.private({"user.id": raw})
    if not scrubbing.texts_of([text], {}).may_have(raw):
        assert hidden.without(text) == text


def test_of_one_record_at_most_32_ids_and_32_names_are_private() -> None:
    many = scrubbing.private({f"{x}.name_of.username": f"person {x}" for x in range(40)})
    assert (len(many.ids), len(many.names)) == (0, 32)


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("one two three four", "one two three four"),
        ("one two three four five", "free_text"),
        ("order 1234", "order {id}"),
        ("order 12", "order 12"),
        ("order a1234", "order a1234"),
        ("order a12345", "order a{id}"),
        ("run deadbeef1234", "run {id}"),
        ("run deadbeefdead", "run deadbeefdead"),  # letters only may be a word
        ("job 23ac192d-b7d4-4c10-a7d7-6ef660de0c38", "job {id}"),
        ("  ", "incomplete"),
        ("x" * 101, "x" * 100),
        ("a\x00b", "a\N{REPLACEMENT CHARACTER}b"),
        (" spaced   out ", "spaced out"),
    ],
)
def test_a_name_is_short_plain_and_without_ids(name: str, stored: str) -> None:
    found, reason = made(attributes={"feature.name": name})
    assert (found.names[0] if found else reason) == stored


def test_an_event_type_is_cut_where_its_column_ends() -> None:
    words = " ".join(["abcdefghijklmno"] * 4)
    assert row(attributes={"event.type": words}).names[0] == words[:50]


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({"service.version": "1.0", "app_version": "2.0"}, "2.0"),  # its own name counts, wherever it stands
        ({"app_version": "2.0", "service.version": "1.0"}, "2.0"),
        ({"service.version": "1.0", "app.version": "3.0"}, "1.0"),
        ({"app_version": None, "service.version": "1.0"}, "1.0"),
        ({"app_version": "five", "service.version": "1.0"}, "1.0"),
    ],
)
def test_an_attribute_sent_under_several_names_is_stored_once(sent: dict[str, Any], stored: str) -> None:
    assert row(attributes={"feature.name": "export"} | sent).metadata == {"app_version": stored}
    installation = {"install_id": "i"} | sent
    facts, _ = made("base_telemetry.heartbeat", attributes=installation)
    assert isinstance(facts, BaseEvent)
    assert facts.facts == {"app_version": stored}


def test_a_text_that_repeats_something_private_is_no_metadata_but_a_choice_is() -> None:
    sent = {"feature.name": "export", "user.id": "5.10.0", "app_version": "5.10.0", "platform": "Linux"}
    assert row(attributes=sent).metadata == {"platform": "Linux"}
    assert row(attributes={"feature.name": "export", "user.id": "Linux", "platform": "Linux"}).metadata == {
        "platform": "Linux"
    }
    facts, _ = made("base_telemetry.heartbeat", attributes={"install_id": "5.10.0", "app_version": "5.10.0"})
    assert facts.facts == {}


def test_what_the_record_says_wins_over_its_resource() -> None:
    resource = {"app_version": "1.0", "platform": "Linux", "deployment.type": "cloud", "internal": True}
    own = {"app_version": "2.0", "deployment.type": "self-hosted", "internal": False}
    found = row(resource=resource, attributes=own, feature__name="export")
    assert found.metadata == {"app_version": "2.0", "platform": "Linux"}
    assert (found.deployment_type, found.is_internal) == ("self-hosted", False)
    inherited = row(resource=resource, feature__name="export")
    assert (inherited.deployment_type, inherited.is_internal) == ("cloud", True)
    assert row(feature__name="export").deployment_type == "unknown"
