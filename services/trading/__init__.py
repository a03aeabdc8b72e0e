"""The public trading API in the Binance Spot dialect."""
