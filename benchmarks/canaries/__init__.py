"""Nothing personal stays, whatever is sent: `python -m benchmarks.canaries`.

Random payloads over HTTP and gRPC, with e-mail addresses, tokens, IP addresses, home directories, JWTs and
card numbers planted in any attribute, name, route or id. Then both databases, Redis, the logs and every
other file of the instance are searched for them, and what is stored is compared with the registry.
"""
