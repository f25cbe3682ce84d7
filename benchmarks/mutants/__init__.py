"""Puts slips into correct code, one at a time: does the suite notice? (`python -m benchmarks.mutants`)

Each `.toml` beside this file lists slips in some rooms. A slip is a small mistake that matters: a wrong
limit, a dropped condition, a missing lock, a swapped order. Each is run against the tests of its room.
"""
