"""How much is taken on at once: threads, memory, bodies, rates."""
