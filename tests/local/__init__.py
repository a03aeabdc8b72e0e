"""The one-machine run: embedded servers, supervisor, command line, edge and demo, all as real processes."""
