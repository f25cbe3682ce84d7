"""Proves under load that a withdrawal takes effect: `python -m benchmarks.withdrawal`.

Senders never stop sending events of one user and one organization, over HTTP and gRPC, while consent
is granted and withdrawn again and again. No row may be committed after a withdrawal has been answered,
every period of consent must have rows, and the answer must come fast enough. With `--unlocked` the
barrier's lock is taken out: then the same run must find rows that came too late.
"""
