"""Decisions: recorded, sealed in the log, verified, and shown to the subject they are about."""
