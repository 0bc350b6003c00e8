"""The ledger beside other people's engines: scenarios as plain data, and one small adapter an engine."""
