"""The pure core: state and commands in, events and state out. No clock, randomness, I/O, float or logging."""
