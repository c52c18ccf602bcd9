"""Blueprints by door: parse, one service call, render."""
