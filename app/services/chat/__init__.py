"""The chat: admit, recall, choose, call, settle."""
