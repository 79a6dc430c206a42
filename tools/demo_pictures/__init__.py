"""Paints the scenes of the demo data set, with exact labels."""
