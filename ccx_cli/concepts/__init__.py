"""Labelled image sets and what they collapse to: label sets."""
