"""docs/compatibility.md: what is written there, and that it is true."""
