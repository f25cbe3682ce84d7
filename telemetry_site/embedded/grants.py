"""What the roles of web and ingest may do in each table, granted after each `migrate`.

Only where the embedded PostgreSQL has made these roles (`roles.py`). The web may read and write
every table, but for what is append-only. Ingest may do what is listed, and nothing else: it cannot even read
the events that it writes.
"""

from collections.abc import Collection, Mapping

from telemetry_site.embedded.roles import INGEST, MADE, WEB

# What not even the web may do. `consent` has triggers against it, too, which also bind the owner.
NOT_FOR_WEB: Mapping[str, Mapping[str, str]] = {
    "default": {
        "consent_decision": "UPDATE, DELETE",
        "consent_decisionhead": "DELETE",
        "consent_policyversion": "UPDATE, DELETE",
        "consent_subjectview": "UPDATE, DELETE",
        "django_migrations": "INSERT, UPDATE, DELETE",
    },
    "analytics": {
        "analytics_droppedpartition": "INSERT, UPDATE, DELETE",
        "django_migrations": "INSERT, UPDATE, DELETE",
    },
}
FOR_INGEST: Mapping[str, Mapping[str, str]] = {
    "default": {
        "consent_consentperiod": "SELECT",
        "consent_inforce": "SELECT, UPDATE (undecided_kept)",
        "consent_key": "SELECT, UPDATE (last_used_at)",
        "consent_organization": "SELECT",
        "consent_policyversion": "SELECT",
        "consent_tombstone": "SELECT",
        "ingest_rejectedrequest": "SELECT, INSERT, UPDATE, DELETE",  # UPDATE: it locks what it deletes
        "ingest_seenname": "SELECT, INSERT",
        "ingest_trafficcount": "SELECT, INSERT, UPDATE",
        "ingest_undeclaredname": "SELECT, INSERT, UPDATE",
    },
    "analytics": {
        "analytics_droppedpartition": "SELECT",
        "analytics_endpoint_usage": "INSERT",
        "analytics_feature_usage": "INSERT",
        "analytics_installation": "SELECT, INSERT, UPDATE",
        "analytics_installationevent": "SELECT, INSERT",
        "analytics_mark": "INSERT",
        "analytics_rolledday": "SELECT",
        "analytics_seen_with": "SELECT, INSERT, UPDATE",
        "analytics_user_activity": "INSERT",
    },
}
HAS_ROLES = f"""
SELECT count(*) = 2 FROM pg_roles
 WHERE rolname IN ('{WEB}', '{INGEST}') AND shobj_description(oid, 'pg_authid') = '{MADE}'
"""


def statements(alias: str, present: Collection[str]) -> list[str]:
    """What to run in this database, as the owner of its tables; `present` are their names."""
    return [
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {WEB}, {INGEST}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {WEB}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {WEB}, {INGEST}",
        *(
            f"REVOKE {rights} ON {table} FROM {WEB}"
            for table, rights in NOT_FOR_WEB[alias].items()
            if table in present
        ),
        *(
            f"GRANT {rights} ON {table} TO {INGEST}"
            for table, rights in FOR_INGEST[alias].items()
            if table in present
        ),
    ]
