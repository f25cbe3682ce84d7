"""Other names of a subject's events, as SQL: a user's sessions, an organization's installations.

Parameters: `subject` (its pseudonym) and `anonymous` (`pseudonyms.ANONYMOUS`).
"""

# The `anon:` forms of the user's sessions.
SESSIONS_OF_USER = """
SELECT DISTINCT %(anonymous)s || left(session_id, 27) FROM analytics_user_activity
 WHERE user_id = %(subject)s AND session_id <> ''
"""
# The first 27 digits of the installations that sent its events without user and session.
INSTALLATIONS_OF_ORGANIZATION = """
SELECT DISTINCT substr(user_id, 6) FROM {table}
 WHERE organization_id = %(subject)s AND starts_with(user_id, %(anonymous)s)
"""
