"""Accounts, keys, funds and fees of one `accounts` partition: commands, reports in; journal, funded orders out."""
