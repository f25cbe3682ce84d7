"""Reports at full size: `python -m benchmarks.reports`.

It writes ten million events of 200,000 people into databases of its own and rolls them up. Then it asks
every report for 30 and 90 days and for twelve months, with several filters, beside the plain SQL (`plain`)
of the same report in the same run: the numbers must be equal, and it says how long each took.
"""
