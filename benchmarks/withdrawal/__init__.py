"""Off means off, under load: `python -m benchmarks.withdrawal`.

Senders never stop sending events of one user and one organization, over HTTP and gRPC, while consent
is given and withdrawn again and again. What is proven: of the rows committed after a withdrawal's
answer there is none, every time of consent has rows, and how long the answer takes. With `--unlocked`
the barrier's lock is taken out, and the same must find rows that it should not.
"""
