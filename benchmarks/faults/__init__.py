"""Injects faults into a whole instance while clients send and resend: `python -m benchmarks.faults`.

After each run it checks that every acknowledged record is stored exactly once, no request is stored in
part, nothing was answered with 500, memory stayed bounded, and ingest recovered by itself.
"""
