"""The page: templates and static files; it uses the public API only."""
