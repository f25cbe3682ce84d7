"""Building roll-ups: which days changed, reading their rows, packing them, taking erased subjects out."""
