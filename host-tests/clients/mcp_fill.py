"""The official Python client of MCP logs in by the tool `fill_login`, in one era of the protocol.

Usage: mcp_fill.py MODE PAGE PROGRAM [ARGUMENT...]

Prints the structured content of the answer, then the text of the error for a credential that does not exist.
"""

import asyncio
import json
import sys

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

MODE, PAGE, PROGRAM, *ARGUMENTS = sys.argv[1:]


async def main():
    transport = stdio_client(StdioServerParameters(command=PROGRAM, args=ARGUMENTS))
    async with Client(transport, mode=MODE) as client:
        assert "fill_login" in [tool.name for tool in (await client.list_tools()).tools]
        # The client itself holds the structured content against the output schema.
        result = await client.call_tool("fill_login", {"credential": "login", "page": PAGE})
        assert not result.is_error and json.loads(result.content[0].text) == result.structured_content, result
        print(json.dumps(result.structured_content))
        refused = await client.call_tool("fill_login", {"credential": "missing"})
        assert refused.is_error and refused.structured_content is None, refused
        print(refused.content[0].text)


asyncio.run(main())
