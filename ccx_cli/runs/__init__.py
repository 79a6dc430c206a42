"""Stored runs: what was found, how it was made, and the job that makes it."""
