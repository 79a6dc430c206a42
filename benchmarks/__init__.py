"""What the package costs at the size of Broden, and what the plain and published ways cost."""
