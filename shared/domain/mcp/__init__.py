"""The request and response formats of the Model Context Protocol (MCP)."""
