"""Provider rows and the services made of them."""
