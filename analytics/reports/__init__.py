"""The reports: typed rows, counted from roll-ups, or for installations from rows.

`catalogue` lists them; `suppression` comes last.
"""
