"""Formulas of concepts and the search for the best one."""
