"""The command line: parses, calls the program and prints."""
