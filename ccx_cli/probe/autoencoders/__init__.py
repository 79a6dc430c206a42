"""Sparse autoencoders on a layer: their files, how they encode, and their latents."""
