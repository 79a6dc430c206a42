"""Files of network weights: published and given ones, read without running what they hold."""
