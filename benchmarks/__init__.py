"""Speed, as ratios measured in one run. `make bench` runs all of it; absolute times are this machine's."""
