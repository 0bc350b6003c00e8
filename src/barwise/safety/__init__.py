"""Reading a run directory that a stranger may have made: nothing in it is executed, and sizes are checked first.

The user's own command line and `conf/` folders are trusted; a run's directory is not. Every guard raises DataError or
ConfigError with one line.
"""
