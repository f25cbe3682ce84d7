"""The groups of people who work with Candid, each with the least that it needs.

`migrate` makes them and gives them back what they lack; it takes nothing away. An account needs
`is_staff` besides, with which alone it sees the dashboards.
"""

from django.contrib.auth.models import Group, Permission

# "app.permission_model"; what does not exist (yet) is left out.
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
    wanted = {name for names in GROUPS.values() for name in names}
    permissions = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type").filter(
            codename__in={name.partition(".")[2] for name in wanted}
        )
    }
    for group_name, names in GROUPS.items():
        group, _ = Group.objects.get_or_create(name=group_name)
        group.permissions.add(*(permissions[name] for name in names if name in permissions))
