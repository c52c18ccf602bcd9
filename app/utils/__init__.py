"""A subject a file; imports nothing of ours."""
