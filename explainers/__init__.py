"""Question in, proven answer out. Pure and synchronous: no I/O, no clock but the deadline."""
