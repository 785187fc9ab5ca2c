"""Accounts, keys, funds and fees of one `accounts` partition: commands and reports in; journal and funded orders out."""
