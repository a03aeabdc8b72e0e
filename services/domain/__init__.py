"""The pure vocabulary every service shares: money, markets, commands, events, refusals. No I/O, no clock, no float."""
