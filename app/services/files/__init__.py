"""Files that users keep: sent by them, or drawn for them."""
