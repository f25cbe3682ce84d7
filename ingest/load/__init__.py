"""Bounds on load: threads, memory, bodies, rates, and the keys and connections that are remembered."""
