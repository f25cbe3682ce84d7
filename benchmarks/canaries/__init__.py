"""Proves that nothing personal is stored, whatever is sent: `python -m benchmarks.canaries`.

Sends random payloads over HTTP and gRPC, with e-mail addresses, tokens, IP addresses, home directories, JWTs
and card numbers planted in any attribute, name, route or id. Then it searches both databases, Redis, the logs
and every other file of the instance for them, and compares what is stored with the registry.
"""
