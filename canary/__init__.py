"""The exchange derived a second time, by code that shares only the records' definitions with the first.

Written from docs/matching-rules.md and docs/signing.md, as another team would. It reads `accounts`, `orders`, `trades`,
`depth` and `ledger`, works out what had to appear there, and says where something else did.
"""
