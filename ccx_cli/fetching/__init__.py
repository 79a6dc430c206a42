"""Downloads from hosts that fail: mirrors, resuming, unpacking."""
