"""What may stand at the end of a command line, for the shells' tab keys."""
