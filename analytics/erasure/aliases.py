"""Other names of a subject's events, as SQL: a user's sessions, an organization's installations.

Parameters: `subject` (its pseudonym) and `anonymous` (`pseudonyms.ANONYMOUS`).
"""

# The `anon:` forms of the user's sessions and installations.
_SEEN = """
SELECT name FROM (
    SELECT %(anonymous)s || left(session_id, 27) AS name FROM analytics_user_activity
     WHERE user_id = %(subject)s AND session_id <> ''
    UNION SELECT name FROM analytics_seen_with WHERE user_id = %(subject)s) AS seen
"""
_OF_OTHERS = """
EXISTS (SELECT FROM analytics_seen_with AS other
         WHERE other.name = seen.name AND other.user_id <> %(subject)s)
"""
# Those that nobody else was seen with: what names them and no user can only be this user's.
SESSIONS_OF_USER = f"{_SEEN} WHERE NOT {_OF_OTHERS}"
SHARED_SESSIONS = f"{_SEEN} WHERE {_OF_OTHERS}"
# Which of these names others are seen with.
SEEN_WITH_OTHERS = """
SELECT DISTINCT name FROM analytics_seen_with WHERE name = ANY(%(names)s) AND user_id <> %(subject)s
"""
# The first 27 digits of the installations that sent its events without user and session.
INSTALLATIONS_OF_ORGANIZATION = """
SELECT DISTINCT substr(user_id, 6) FROM {table}
 WHERE organization_id = %(subject)s AND starts_with(user_id, %(anonymous)s)
"""
