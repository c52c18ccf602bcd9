"""What the service speaks about: values, events, errors and pure decisions. Standard library only."""
