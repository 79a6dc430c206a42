"""What exists only to reproduce the published programs: their heuristics, shapes and trials."""
