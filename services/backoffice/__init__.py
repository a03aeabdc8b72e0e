"""The back office: money in and out for users, and what staff do."""
