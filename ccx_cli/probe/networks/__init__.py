"""Networks: which there are, how they take images, their layers, and running them."""
