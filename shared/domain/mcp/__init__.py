"""The Model Context Protocol: what agents are offered, and in which words."""
