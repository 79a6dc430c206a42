"""A run as one page to share: table, units with their images, concepts, plots, how it was made."""
