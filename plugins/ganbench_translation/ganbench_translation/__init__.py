"""Image-to-image translation between two unpaired domains: UNIT and CycleGAN, as plugins of ganbench."""
