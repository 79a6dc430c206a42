"""Paints the scenes of the demo dataset, with exact labels."""
