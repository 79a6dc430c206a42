"""Labeled images and what they collapse to: label sets."""
