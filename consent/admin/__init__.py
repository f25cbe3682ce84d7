"""Consent in the Django admin: organizations, users, decisions, erasures and keys.

A raw id is typed into a POST, hashed, and gone: the stock search box is a GET and takes pseudonyms
and labels only. States change through decisions alone, each with a reason; in the admin nobody
grants for a user. Nothing is deleted here: keys are revoked, and subjects leave by erasure.
"""

from consent.admin import erasures, keys, organizations

__all__ = ["erasures", "keys", "organizations"]
