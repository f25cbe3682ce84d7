"""Reports at full size: `python -m benchmarks.reports`.

It writes ten million events of 200,000 people into databases of its own and rolls them up. Then it runs
every report for 30 and 90 days and for twelve months, with several filters, and the same report in plain SQL
(`plain`). The numbers must be equal; it prints how long each took.
"""
