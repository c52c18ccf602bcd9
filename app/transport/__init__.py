"""The one outbound HTTP seam."""
