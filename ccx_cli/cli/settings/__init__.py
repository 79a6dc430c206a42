"""Where the values of options come from: flags, variables and files."""
