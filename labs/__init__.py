"""The labs, and PROTOCOL.md: the conversation that every submission holds."""
