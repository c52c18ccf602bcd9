"""The only SQL; a file an aggregate, short transactions on their own session factory."""
