"""Counts of what arrives: collected, written, read, pruned, and exposed as metrics for Prometheus."""
