"""The registry: what our own file declares, what an extension may add, and how mistakes are reported."""

import json
import re
from pathlib import Path

import pytest
from pytest_django import Settings

from consent.gate.rules import Tier
from consent.registry.attributes import Attribute
from consent.registry.cleaning import Dropped, Kept
from consent.registry.registry import (
    OURS,
    Registry,
    RegistryError,
    current_registry,
    from_text,
    load,
    use,
)
from tests.support.declaring import MORE, PAIRING, declare

FLAG = MORE.replace('"choice"', '"boolean"').replace('"dark"\n', "true\n") + "dimension = true\n"
MARKED = MORE + "dimension = true\n"
SHORT = MARKED.replace('"choice"', '"text"') + "pattern = '[a-z]+'\n"
TEN = [MARKED.replace("colour_scheme", f"colour_scheme_{number}") for number in range(10)]


def extended(tmp_path: Path, text: str) -> Registry:
    path = tmp_path / "more.toml"
    path.write_text(text)
    return load([OURS, path])


def test_our_own_file_has_no_mistake() -> None:
    registry = load([OURS])
    assert registry.digest == load([OURS]).digest
    assert {"app_version", "page.path", "error.type", "duration_ms", "browser", "billable"} < set(
        registry.attributes
    )
    for attribute in registry.attributes.values():
        assert attribute.purpose
        assert attribute.why
        assert registry.clean(attribute.name, attribute.example) == Kept(attribute.example)


def test_the_base_tier_is_what_installations_hold() -> None:
    assert {attribute.name for attribute in load([OURS]).of_tier(Tier.BASE)} == {
        *("app_version", "platform", "os_version", "architecture", "locale", "timezone"),
        *("release_channel", "deployment_type"),
    }


def test_an_extension_adds(tmp_path: Path) -> None:
    registry = extended(tmp_path, MORE + PAIRING)
    assert registry.clean("colour_scheme", "Dark") == Kept("dark")
    assert "paired" in registry.event_names
    assert "/pair/{code}" in registry.endpoints
    assert registry.digest != load([OURS]).digest
    assert registry.clean("billable", True) == Kept(True)


def test_dimensions_are_in_the_order_of_declaration_and_ours_can_be_replaced(tmp_path: Path) -> None:
    assert load([OURS]).dimensions == ("environment", "app", "app_version", "platform")
    registry = extended(tmp_path, MORE.replace("colour_scheme", "app") + SHORT + "max_length = 60\n" + TEN[3])
    assert registry.dimensions[1:] == ("app_version", "platform", "colour_scheme", "colour_scheme_3")
    older = json.loads(registry.as_text())
    for attribute in older["attributes"]:
        del attribute["dimension"], attribute["spellings"]
    assert (from_text(registry.as_text()).dimensions, from_text(json.dumps(older)).dimensions) == (
        registry.dimensions,
        (),
    )


def test_the_documentation_names_every_other_name_of_what_it_lists() -> None:
    page = (Path(__file__).parents[3] / "docs" / "declare.md").read_text()
    table = page.partition("| attribute | also sent as |")[2].partition("\n\n")[0]
    rows = [
        [re.findall(r"`([^`]+)`", cell) for cell in line.split("|")[1:3]] for line in table.splitlines()[2:]
    ]
    *rows, (unlisted, _) = rows  # the last row points to /privacy/
    attributes = load([OURS]).attributes
    assert [also for _, also in rows] == [
        [name for declared in names for name in attributes[declared].also] for names, _ in rows
    ]
    assert set(unlisted) <= attributes.keys()


def test_an_extension_replaces(tmp_path: Path) -> None:
    registry = extended(tmp_path, MORE.replace("colour_scheme", "plan"))
    assert registry.attributes["plan"].values == ("light", "dark")


def test_the_setting_names_the_extension(tmp_path: Path, settings: Settings) -> None:
    declare(settings, tmp_path, MORE)
    assert "colour_scheme" in use(None).attributes
    assert "colour_scheme" in current_registry().attributes


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("[[attribute", "is not TOML"),
        ("[surprise]\n", "unknown section 'surprise'"),
        ('[[attribute]]\nname = "x"\n', "'purpose' is missing"),
        (MORE + 'colour = "red"\n', "unknown word 'colour'"),
        (MORE.replace('"dark"\n', "3\n"), "its own example would be dropped or changed"),
        (MORE.replace("colour_scheme", "Colour Scheme"), "a name is lower-case words"),
        (MORE.replace("colour_scheme", "user.email"), "personal or secret"),
        (MORE.replace('"choice"', '"map"'), "type 'map' is not one of"),
        (MORE.replace('"detailed"', '"all"'), "tier 'all' is not one of"),
        (MORE.replace('values = ["light", "dark"]', ""), "a choice needs 'values'"),
        (MORE.replace('["light", "dark"]', '"dark"'), "'values' has the wrong type"),
        (MORE + 'spellings = { Night = "dark" }\n', "write 'Night' in 'spellings' in lower case"),
        (MORE + 'spellings = { night = "black" }\n', "'night' is 'black', which is not among the values"),
        (MORE + 'spellings = { dark = "dark" }\n', "'dark' is a value and a spelling"),
        (MORE.replace('"choice"', '"text"'), "a text needs a 'pattern'"),
        (MORE.replace('"choice"', '"text"') + "pattern = '('\n", "'pattern' is not a regular expression"),
        (MORE.replace('"choice"', '"text"') + "pattern = '(a+)+'\n", "repeats a group that repeats"),
        (MORE.replace('"choice"', '"integer"') + "minimum = 5\nmaximum = 1\n", "and a larger 'maximum'"),
        (MORE + MORE, "'colour_scheme' is declared twice"),
        (FLAG, "a dimension is a choice or a text"),
        (MARKED.replace('"light"', f'"{"x" * 61}"'), "has at most 60 characters"),
        (SHORT + "max_length = 61\n", "'max_length' is at most 60"),
        (SHORT.replace("[a-z]+", "d.*") + "max_length = 9\n", "which characters there may be"),
        (SHORT.replace("[a-z]+", "[^;]+") + "max_length = 9\n", "which characters there may be"),
        (SHORT.replace("[a-z]+", r"[a-z\\W]+") + "max_length = 9\n", "which characters there may be"),
        (MARKED.replace("colour_scheme", "range"), "reports have a parameter"),
        (MORE + 'dimension = "yes"\n', "'dimension' has the wrong type"),
        ("".join(TEN), "14 dimensions are declared (environment, app, app_version, platform, "),
        (MORE + 'also = ["apiKey"]\n', "a name in 'also' stands for something personal"),
        (MORE + 'also = ["service.version"]\n', "'service.version' is another name for both"),
        ('[events]\nnames = ["bob@example.com"]\n', "looks personal (email)"),
        ("[events]\nnames = [5]\n", "[events] must hold one list of texts"),
        ('[endpoints]\ntemplates = ["a"]\n', "endpoint 'a' must begin with '/'"),
        ('attribute = "x"\n', "a table of its own"),
    ],
)
def test_each_mistake_is_told_in_a_sentence(tmp_path: Path, text: str, mistake: str) -> None:
    with pytest.raises(RegistryError) as caught:
        extended(tmp_path, text)
    assert mistake in str(caught.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(RegistryError) as caught:
        extended(tmp_path, MORE.replace("colour_scheme", "A").replace("detailed", "all") + "[surprise]\n")
    assert len(caught.value.mistakes) == 3


def test_a_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="cannot be read"):
        load([tmp_path / "missing.toml"])


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("app_version", "5.10.0", "5.10.0"),
        ("app_version", 2, "2"),
        ("app", "@acme/shop-web.v2", "@acme/shop-web.v2"),
        ("app", "com.example.k8s-gateway", "com.example.k8s-gateway"),
        ("service.namespace", "shop", "shop"),
        ("environment", "prod", "production"),
        ("environment", " Dev ", "development"),
        ("environment", "testing", "test"),
        ("environment", "stage", "staging"),
        ("environment", "production-eu", "other"),
        ("platform", "linux", "Linux"),
        ("platform", "windows", "Windows"),
        ("platform", "darwin", "Darwin"),
        ("platform", "win32", "Windows"),
        ("os", "Mac OS X", "macOS"),
        ("os", "Ubuntu", "Linux"),
        ("os_version", "10.0.22631", "10.0.22631"),
        ("device", "Apple Inc.", "Apple"),
        ("device", "iphone", "iPhone"),
        ("device", "SM-G991B of Jane", "other"),
        ("package", "candid_client", "candid_client"),
        ("package_version", "0.3.0rc1", "0.3.0rc1"),
        ("python_version", "3.13.0rc2", "3.13.0rc2"),
        ("python_version", 3.12, "3.12"),
        ("memory_mb", "48.5", 48.5),
        ("browser", "FIREFOX", "Firefox"),
        ("browser", "Netscape", "other"),
        ("duration_ms", "12.5", 12.5),
        ("count", 3.0, 3),
        ("billable", "True", True),
        ("error.type", "django.db.utils.DataError", "django.db.utils.DataError"),
        ("error.type", 500, "500"),
    ],
)
def test_values_that_are_kept(name: str, value: object, kept: object) -> None:
    assert load([OURS]).clean(name, value) == Kept(kept)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("project_name", "Secret project", "undeclared"),
        ("app_version", "unknown", "pattern"),
        ("app_version", "1" * 51, "length"),
        ("app_version", ["1"], "type"),
        ("app", "unknown_service", "pattern"),
        ("app", "Unknown_service:python", "pattern"),
        ("app", "My shop", "pattern"),
        ("app", "web-7d9f8b6c5d-x2x4z", "pattern"),  # a pod
        ("app", "customer-123456", "pattern"),
        ("app", "home/jane/shop", "pattern"),
        ("app", "jane@example.com", "pattern"),
        ("service.namespace", "550e8400-e29b-41d4-a716-446655440000", "pattern"),
        ("service.namespace", "/srv/jane", "pattern"),
        ("package", "jane@host", "pattern"),
        ("package", "../jane/client", "pattern"),
        ("package_version", "jane", "pattern"),
        ("python_version", "20.11.1", "pattern"),  # of Node
        ("python_version", "3.12.4 (main, Jun 6 2024) [GCC 12] jane@host", "length"),
        ("environment", "cloud", "empty"),  # a deployment type
        ("device", "unknown", "empty"),
        ("memory_mb", -1, "range"),
        ("memory_mb", 10000001, "range"),
        ("app_version", True, "type"),
        ("app_version", "1.2.3\x00", "pattern"),
        ("app_version", "10.0.0.1", "ip"),
        ("os_version", "4111-1111-1111-1111", "card"),
        ("browser", "None", "empty"),
        ("duration_ms", float("nan"), "type"),
        ("duration_ms", -1, "range"),
        ("duration_ms", 10**400, "range"),
        ("count", 1.5, "type"),
        ("count", True, "type"),
        ("billable", "perhaps", "type"),
        ("page.path", "/users?id=1", "pattern"),
        ("page.path", "/home/jane/x", "home_directory"),
        ("locale", "unkno", "pattern"),
        ("timezone", "Jane/Doe", "pattern"),
    ],
)
def test_values_that_are_dropped(name: str, value: object, reason: str) -> None:
    assert load([OURS]).clean(name, value) == Dropped(reason)


TEXT = MORE.replace('"choice"', '"text"').replace('values = ["light", "dark"]\n', "")


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (TEXT + "pattern = '(a)\\1'\n", "back-reference"),
        (TEXT + "pattern = '[a-z]+'\nmax_length = 256\n", "'max_length' must be 1 to 255"),
        (TEXT + "pattern = '[a-z]+'\nmax_length = 0\n", "'max_length' must be 1 to 255"),
        (MORE.replace('"choice"', '"number"') + "minimum = 1\nmaximum = 1\n", "and a larger 'maximum'"),
        (MORE.replace('"choice"', '"number"') + "minimum = 1\n", "a number needs"),
        (MORE.replace("colour_scheme", "a" * 61), "at most 60 characters"),
        (MORE.replace('purpose = "Colour scheme"', 'purpose = " "'), "'purpose' must not be empty"),
        (MORE + 'also = [""]\n', "'also' must be a list of names"),
        (MORE.replace('["light", "dark"]', '["dark", ""]'), "a choice needs 'values'"),
        ('[events]\nnames = [""]\n', "must have 1 to 100 characters"),
        (f'[events]\nnames = ["{"x" * 101}"]\n', "must have 1 to 100 characters"),
        (f'[endpoints]\ntemplates = ["/{"x" * 255}"]\n', "must have 1 to 255 characters"),
    ],
)
def test_mistakes_at_the_borders(tmp_path: Path, text: str, mistake: str) -> None:
    with pytest.raises(RegistryError) as caught:
        extended(tmp_path, text)
    assert mistake in str(caught.value)


def test_what_is_just_within_the_borders(tmp_path: Path) -> None:
    names = f'[events]\nnames = ["{"x" * 100}"]\n[endpoints]\ntemplates = ["/{"x" * 254}"]\n'
    longest = TEXT.replace("colour_scheme", "a" * 60) + "pattern = '[a-z]+'\nmax_length = 255\n"
    registry = extended(tmp_path, longest + names)
    assert registry.attributes["a" * 60].max_length == 255


def test_a_name_of_its_own_goes_before_another_attributes_other_name(tmp_path: Path) -> None:
    registry = extended(tmp_path, MORE + 'also = ["browser", "hue"]\n')
    assert registry.find("browser")[0] == "browser"  # type: ignore[index]
    assert registry.find("hue")[0] == registry.find("metadata.hue")[0] == "colour_scheme"  # type: ignore[index]
    assert registry.find("nothing") is None


def test_the_digest_is_that_of_the_content_whatever_the_order(tmp_path: Path) -> None:
    other = MORE.replace("colour_scheme", "second")
    one, two = extended(tmp_path, MORE + other), extended(tmp_path, other + MORE)
    assert one.digest == two.digest != load([OURS]).digest
    assert extended(tmp_path, MORE + other.replace("dark mode", "light")).digest != one.digest
    spelled = extended(tmp_path, MORE + 'spellings = { night = "dark", day = "light" }\n')
    assert from_text(spelled.as_text()).digest == spelled.digest
    assert from_text(spelled.as_text()).clean("colour_scheme", "Night") == Kept("dark")
    assert from_text(one.as_text()).digest == one.digest


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"attributes": [{}], "events": [], "endpoints": []}'])
def test_a_damaged_registry_is_none(text: str) -> None:
    with pytest.raises(RegistryError, match="cannot be read"):
        from_text(text)


@pytest.mark.parametrize(
    ("kind", "more", "words"),
    [
        ("boolean", {}, "true or false"),
        ("choice", {"values": ("a", "b")}, "a, b; anything else becomes “other”"),
        (
            "choice",
            {"values": ("a", "b"), "spellings": (("aa", "a"), ("ah", "a"), ("none", ""))},
            "a (or aa, ah), b; anything else becomes “other”",
        ),
        ("integer", {"minimum": 0, "maximum": 10}, "from 0 to 10"),
        ("text", {"pattern": "[a-z]+", "max_length": 9}, "up to 9 characters of the form [a-z]+"),
    ],
)
def test_what_is_allowed_in_words(kind: str, more: dict[str, object], words: str) -> None:
    assert Attribute("a", kind, Tier.BASE, "p", "w", "e", **more).allowed == words  # type: ignore[arg-type]
