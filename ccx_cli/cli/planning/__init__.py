"""``--dry-run``: what a command would make, found by looking only."""
