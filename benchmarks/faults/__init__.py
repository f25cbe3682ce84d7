"""Faults injected into a whole instance while clients send and resend: `python -m benchmarks.faults`.

What is proven after each run: every acknowledged record is stored exactly once, no request is half
there, nothing was answered 500, memory stayed bounded, and ingest came back by itself.
"""
