"""Shapes at the doors: parse in, render out."""
