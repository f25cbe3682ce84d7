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
        "analytics.view_jobrun",
        "analytics.view_erasure",
        "analytics.add_erasure",
        "analytics.view_erasurerequest",
        "analytics.add_erasurerequest",
        "analytics.view_tombstone",
        "consent.view_erasure",
        "consent.add_erasure",
        "consent.view_erasurerequest",
        "consent.add_erasurerequest",
        "consent.view_tombstone",
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
