"""The vocabulary: exact money, valid markets, messages that stay readable."""
