"""The groups of people who work with Candid, each with no more permissions than it needs.

`migrate` creates them and adds permissions that are missing; it removes none. An account also needs
`is_staff`, which alone opens the dashboards.
"""

from django.contrib.auth.models import Group, Permission

# "app.permission_model"; permissions that do not exist (yet) are skipped.
GROUPS = {
    # The dashboards ask for `is_staff` only.
    "analysts": (),
    "consent managers": (
        "consent.view_organization",
        "consent.add_organization",
        "consent.change_organization",
        "consent.view_telemetryuser",
        "consent.add_telemetryuser",
        "consent.change_telemetryuser",
        "consent.view_decision",
        "consent.view_policyversion",
        "consent.view_key",
    ),
    "privacy officers": (
        "consent.view_organization",
        "consent.view_telemetryuser",
        "consent.view_decision",
        "consent.view_policyversion",
        "consent.add_policyversion",
        "consent.view_subjectview",
        "consent.view_erasurerequest",
        "consent.request_erasure",
    ),
}


def make_groups() -> None:
    all_names = {name for names in GROUPS.values() for name in names}
    permissions = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type").filter(
            codename__in={name.partition(".")[2] for name in all_names}
        )
    }
    for group_name, names in GROUPS.items():
        group, _ = Group.objects.get_or_create(name=group_name)
        group.permissions.add(*(permissions[name] for name in names if name in permissions))
