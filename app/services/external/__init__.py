"""Calls to other hosts on a caller's behalf."""
