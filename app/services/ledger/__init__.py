"""The one owner of terminal states."""
