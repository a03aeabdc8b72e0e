"""The matching engine: the only writer of books, balances, orders and trades."""
