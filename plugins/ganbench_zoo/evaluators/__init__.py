"""Classifiers that judge conditional generators. `python -m ganbench_zoo.evaluators.train` makes the shipped ones."""
