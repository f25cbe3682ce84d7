"""The reports: typed rows, counted from roll-ups. `catalogue` lists them; `suppression` comes last."""
