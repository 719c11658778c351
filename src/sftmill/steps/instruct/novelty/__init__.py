"""Whether an instruction is new beside all that are there, in wording and in meaning."""
