"""Erasure: deletes everything of a subject, from every table, and signs a receipt."""
