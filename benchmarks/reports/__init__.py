"""Reports at full size: `python -m benchmarks.reports fill`, then `… measure`.

`fill` writes ten million events of 200,000 people into an instance of its own and rolls them up.
`measure` asks every report for 30, 90 and 365 days and for several filters, beside the plain SQL
(`plain`) of the same report in the same run: the numbers must be equal, and it says how long each took.
"""
