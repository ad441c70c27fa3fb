"""The labs, and what they all stand on: PROTOCOL.md, the conversation that every submission holds."""
