"""The agents' MCP door: the same tools, services and refusals as the DRF door, spoken as Model Context Protocol."""
