"""Counts of what arrives: kept, written, read, pruned, and as metrics for Prometheus."""
