"""Models and keys at run time."""
