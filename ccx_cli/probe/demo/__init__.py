"""The small network that is trained on the demo scenes."""
