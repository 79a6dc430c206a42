"""What makes the data that comes with the package."""
