"""A loss, a metric and a data set of my own."""
