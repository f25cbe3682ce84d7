"""The database roles of the embedded PostgreSQL: who may do what.

| role | who works with it | may |
|---|---|---|
| `candid` | the embedded servers alone | everything: initdb makes it, and it cannot be less |
| `candid_owner` | `manage.py` commands, the worker, beat | make and drop tables: it owns both databases |
| `candid_web` | the web processes | read and write rows (`grants.py`) |
| `candid_ingest` | the OTLP and gRPC processes | only what receiving takes (`grants.py`) |

Nobody needs a password: the socket is in a directory that only the servers' user can enter. So the roles
bound what an SQL statement can do, not what a program of that user can.
"""

from collections.abc import Callable, Sequence

import psycopg

SUPERUSER, OWNER, WEB, INGEST = "candid", "candid_owner", "candid_web", "candid_ingest"
MADE = "made by Candid (1)"  # the comment on each role, once everything below is done
LOCK_LIMIT = "30s"  # an earlier version's `up` may still be running

Connect = Callable[[str], psycopg.Connection[tuple[str]]]

_MADE = "SELECT count(*)::text FROM pg_roles WHERE shobj_description(oid, 'pg_authid') = %s"
_MAKE = """
DO $$ BEGIN
  CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$
"""
# In a cluster from before these roles, all belongs to the superuser, who keeps what is PostgreSQL's own.
# A column's sequence belongs to whoever owns the table.
_HAND_OVER = f"""
DO $$ DECLARE one record; BEGIN
  FOR one IN
    SELECT 'TABLE' AS kind, c.oid::regclass::text AS name, c.oid, c.relkind FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
       AND c.relowner = '{SUPERUSER}'::regrole
       AND NOT (c.relkind = 'S' AND EXISTS (
             SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass
                AND d.deptype IN ('a', 'i')))
    UNION ALL
    SELECT 'ROUTINE', p.oid::regprocedure::text, p.oid, 'f' FROM pg_proc p
     WHERE p.pronamespace = 'public'::regnamespace AND p.proowner = '{SUPERUSER}'::regrole
  LOOP
    IF NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = one.oid AND d.deptype = 'e') THEN
      EXECUTE format('ALTER %s %s OWNER TO {OWNER}', one.kind, one.name);
    END IF;
  END LOOP;
END $$
"""


def make_roles(connect: Connect, databases: Sequence[str]) -> None:
    """Make the roles, and hand the databases over to their owner. Does nothing once that is done.

    `connect` opens a database as the superuser, in autocommit.
    """
    roles = (OWNER, WEB, INGEST)
    with connect("postgres") as server:
        if server.execute(_MADE, [MADE]).fetchone() == (str(len(roles)),):
            return
        for role in roles:
            server.execute(_MAKE.format(role=role))
        for database in databases:
            server.execute(f"ALTER DATABASE {database} OWNER TO {OWNER}")
            server.execute(f"REVOKE CONNECT, TEMPORARY ON DATABASE {database} FROM PUBLIC")
            server.execute(f"GRANT CONNECT ON DATABASE {database} TO {WEB}, {INGEST}")
    for database in databases:
        with connect(database) as connection, connection.transaction():
            connection.execute(f"SET LOCAL lock_timeout = '{LOCK_LIMIT}'")
            connection.execute(_HAND_OVER)
    with connect("postgres") as server:
        for role in roles:
            server.execute(f"COMMENT ON ROLE {role} IS '{MADE}'")
