"""One strategy a provider family."""
