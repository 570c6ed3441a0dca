"""LightweightGAN, a plugin of ganbench."""
