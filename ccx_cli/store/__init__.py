"""Files that survive a kill: atomic writes, locks, shards with digests."""
