"""Jobs: when they run, how each run went, and what one failure does to the rest."""
