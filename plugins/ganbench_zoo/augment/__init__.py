"""Augmentations of image batches on their device: differentiable (twice), one parameter per sample, no randomness."""
