"""Looking things up in the web."""
