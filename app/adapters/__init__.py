"""Pure translators between a provider's wire and the domain."""
