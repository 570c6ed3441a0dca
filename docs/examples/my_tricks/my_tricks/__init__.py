"""Tricks of my own."""
