"""Roll-ups: what reports read instead of rows. A day is a pure function of its rows, and is built as a whole.

`building/` turns rows into contents (`layout.py` lists them), `reading/` answers reports from these,
`sealing/` reduces a day to counts when its month is dropped.
"""
