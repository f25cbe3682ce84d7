"""Roll-ups: what reports read instead of rows. A day is a pure function of its rows, and is built as a whole.

`marks` says which days changed, `build` makes them (`scan` reads, `content` packs), `read` answers
questions about them, `sealing` is what is left of a day when its month is dropped.
"""
