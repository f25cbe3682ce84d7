"""Every advisory lock of the project: its number, what it guards, and on which database it is taken.

An advisory lock is two integers, and PostgreSQL knows nothing else about it. The first names the kind of lock
and is listed here; the second says which one of that kind, and is 0 where there is only one. All locks end
with their transaction, so they work through PgBouncer in transaction mode. No number may appear here twice
(`tests/postgres/test_locks.py`).
"""

TAKE = "SELECT pg_advisory_xact_lock(%s, %s)"
TAKE_SHARED = "SELECT pg_advisory_xact_lock_shared(%s, %s)"
TRY_BY_NAME = "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))"  # the second number is that of a text

# On the analytics database.
INGEST_BARRIER = 0x0CA4D101  # second: the subject's bucket. Ingest shares it, a withdrawal waits for it
JOB = 0x0CA4D102  # second: the job's name. Held while a job runs
PARTITIONS = (0x0CA4D103, 0)  # held while partitions are made
ROLL_UP_BUILD = (0x0CA4D104, 0)  # builds share it; erasing and sealing wait until no build is under way
ROLL_UP_MEMBERS = (0x0CA4D105, 0)  # held while members get their numbers, or lose their names

# On the operational database.
PUBLISHING = (0x0CA4D106, 0)  # grants share it; publishing a policy takes it exclusively
NEW_NAMES = 0x0CA4D107  # second: the key's id. Two processes must not both use up the day's last new name
UNDECLARED_NAMES = (0x0CA4D108, 0)  # the same for the day's last place in the list of undeclared names

# On either database.
GRANTING = (0x0CA4D109, 0)  # held while roles are told what they may do
