"""The command line: one file a command, each importing its machinery only when it runs."""
