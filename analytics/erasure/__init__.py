"""Erasure: everything of a subject, from every table, with a receipt."""
