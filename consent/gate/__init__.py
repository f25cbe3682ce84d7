"""The gate: which events may be stored, and the barrier that makes a withdrawal certain."""
