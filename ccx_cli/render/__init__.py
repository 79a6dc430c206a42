"""Stored results as pictures, plots, tables and one page to share; without torch."""
