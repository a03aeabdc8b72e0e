"""Speed, measured: the scenarios behind ``make bench`` and the figures in docs/performance.md.

Nothing here is a test with a time limit: a slow or shared machine gives worse figures, not failures. The load
generator shares the machine with what it measures, so it is kept lean: plain asyncio protocols, no models.
"""
