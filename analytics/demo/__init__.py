"""Demo data: a plausible product with its customers, made from a seed, and removable to the last row.

The same day, sizes and seed give the same data. Demo data is marked twice: its raw ids begin with `demo-`,
and every subject has the flag `is_demo`.
"""
