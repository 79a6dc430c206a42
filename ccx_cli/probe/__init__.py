"""Networks, their activations, the ranges of these and the pixels in range."""
