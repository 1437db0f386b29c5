"""The command line. `main` is the entry point, `root` the table of commands; each command is a file that is imported
only when it is asked for."""
