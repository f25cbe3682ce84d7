"""What `migrate` leaves behind: groups, the first policy, the active registry."""

import io
import logging

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django import Settings

from consent.models import InForce, PolicyVersion
from telemetry_site import start
from telemetry_site.groups import GROUPS, make_groups

pytestmark = pytest.mark.django_db(transaction=True)


def permissions(group: str) -> set[str]:
    held = Group.objects.get(name=group).permissions.select_related("content_type")
    return {f"{one.content_type.app_label}.{one.codename}" for one in held}


def test_each_group_has_what_it_needs_and_nothing_else() -> None:
    assert {group: permissions(group) for group in GROUPS} == {
        group: set(names) for group, names in GROUPS.items()
    }
    assert not any(".delete_" in name for names in GROUPS.values() for name in names)
    assert not any("key" in name for name in GROUPS["privacy officers"])


def test_what_a_group_lacks_comes_back_and_what_was_added_stays() -> None:
    group = Group.objects.get(name="consent managers")
    added = Permission.objects.get(codename="add_user")
    group.permissions.set([added])
    make_groups()
    assert permissions("consent managers") == {*GROUPS["consent managers"], "auth.add_user"}


def test_a_permission_of_another_app_with_the_same_name_is_not_given() -> None:
    view_key = Permission.objects.get(codename="view_key")
    other = Permission.objects.create(
        codename="view_key",
        name="Another",
        content_type=Permission.objects.get(codename="view_user").content_type,
    )
    Group.objects.get(name="consent managers").permissions.clear()
    make_groups()
    held = Group.objects.get(name="consent managers").permissions
    assert held.filter(pk=view_key.pk).exists()
    assert not held.filter(pk=other.pk).exists()
    other.delete()


@pytest.fixture
def broken_files(settings: Settings, tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "more.toml"
    path.write_text("[surprise]\n")
    settings.COLLECTED_FILE = str(path)


def test_broken_files_leave_the_active_registry(broken_files: None, caplog: pytest.LogCaptureFixture) -> None:
    before = InForce.objects.values_list("registry_digest", flat=True).get()
    with caplog.at_level(logging.ERROR):
        start.bring_in_files()
    assert InForce.objects.values_list("registry_digest", flat=True).get() == before
    assert "unknown section 'surprise'" in caplog.text
    assert "the earlier registry stays active" in caplog.text


def test_broken_files_and_no_registry_end_migrate(broken_files: None) -> None:
    InForce.objects.update(registry_digest="", registry="")
    with pytest.raises(CommandError, match="unknown section 'surprise'"):
        start.bring_in_files()


def test_migrate_brings_in_policy_registry_and_groups_once() -> None:
    digest = InForce.objects.values_list("registry_digest", flat=True).get()
    InForce.objects.update(registry_digest="another")
    Group.objects.all().delete()
    call_command("migrate", verbosity=0, database="analytics", stdout=io.StringIO())
    assert not Group.objects.exists()
    call_command("migrate", verbosity=0, database="default", stdout=io.StringIO())
    assert InForce.objects.values_list("registry_digest", flat=True).get() == digest
    assert Group.objects.count() == len(GROUPS)
    assert PolicyVersion.objects.count() == 1
