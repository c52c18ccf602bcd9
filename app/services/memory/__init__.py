"""What is remembered of users, and found again."""
