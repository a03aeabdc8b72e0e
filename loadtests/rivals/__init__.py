"""What a user could run instead of Crossbook, played the same tape by the same generator.

A contender is a program that can be started, killed and started again; its dialect says a step of the tape in the
words of its HTTP interface. Nothing of theirs is kept in this repository, only how to get it.
"""
