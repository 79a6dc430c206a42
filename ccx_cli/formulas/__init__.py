"""Formulas of concepts: the tree, its text, and what it means."""
