"""Files that last: places, shards with digests, locks, results."""
