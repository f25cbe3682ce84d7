"""Jobs: when they run (`timetable.py`), how each run went, and how one failure leaves the rest alone."""
