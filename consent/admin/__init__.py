"""Consent in the Django admin: organizations, users, decisions, policies, erasures and keys.

A raw id is sent by POST, hashed and forgotten; Django's own search box sends a GET, and takes pseudonyms and
labels only. States change by decisions alone, each with a reason, and nobody grants for a user here.
Nothing is deleted: keys are revoked, and subjects are erased. Every view of a single subject's page is
recorded.
"""

from consent.admin import erasures, keys, organizations, policies, records

__all__ = ["erasures", "keys", "organizations", "policies", "records"]
