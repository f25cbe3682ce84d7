"""How every floor talks to PostgreSQL: pipelined statements, binary values, errors, time-outs, locks."""
