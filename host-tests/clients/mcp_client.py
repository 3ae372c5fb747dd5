"""The official Python client of MCP against a server, over HTTP or standard input and output, in one era of the protocol.

Usage: mcp_client.py MODE http URL TOKEN
       mcp_client.py MODE stdio PROGRAM [ARGUMENT...]

MODE is `legacy` (with a handshake) or `auto` (2026-07-28). Ends with status 0 when everything was as it should be.
"""

import asyncio
import json
import sys

import httpx2
from mcp import MCPError
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

MODE, TRANSPORT, *REST = sys.argv[1:]
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


async def succeeds(client, tool="manage_credentials", **arguments):
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result
    assert json.loads(result.content[0].text) == result.structured_content, result
    assert "value-canary" not in result.content[0].text and SECRET not in result.content[0].text
    return result.structured_content


async def fails(client, code, **arguments):
    result = await client.call_tool("manage_credentials", arguments)
    assert result.is_error and result.structured_content is None, result
    text = result.content[0].text
    assert text.startswith("Error") and (code is None or f"[code: {code}]" in text), text


async def session(client):
    assert client.protocol_version == ("2025-11-25" if MODE == "legacy" else "2026-07-28"), client.protocol_version
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert list(tools) == ["manage_credentials", "find_credentials"], list(tools)
    assert not tools["manage_credentials"].annotations.read_only_hint
    assert tools["find_credentials"].annotations.read_only_hint
    values = {"username": "u@example.com", "password": "value-canary"}
    created = await succeeds(
        client, action="create", name="login", domain="netflix.com", values=values, totp_secret=SECRET
    )
    assert sorted(created["value_keys"]) == ["password", "username"] and len(created["totp_code"]) == 6
    listed = await succeeds(client, "find_credentials", action="list", origin="https://netflix.com/login")
    assert [item["id"] for item in listed["items"]] == [created["id"]] and not listed["has_more"]
    assert (await succeeds(client, action="get", id_or_name=created["id"]))["name"] == "login"
    code = await succeeds(client, action="totp_code", id_or_name="login")
    # Whole seconds, rounded down: 0 in the last second of the time step.
    assert len(code["code"]) == 6 and 0 <= code["valid_for_seconds"] <= 30
    assert (await succeeds(client, action="update", id_or_name="login", name="renamed"))["name"] == "renamed"
    await fails(client, "not_found", action="get", id_or_name="login")
    await fails(client, None, action="get")
    await fails(client, None)
    await fails(client, "name_taken", action="create", name="renamed", domain="a.example", values={"p": "value-canary"})
    assert (await succeeds(client, action="delete", id_or_name="renamed"))["deleted"]
    try:
        await client.call_tool("unknown", {})
    except MCPError as error:
        assert error.code == -32602, error
    else:
        raise AssertionError("an unknown tool was called")


async def main():
    if TRANSPORT == "stdio":
        transport = stdio_client(StdioServerParameters(command=REST[0], args=REST[1:]))
        async with Client(transport, mode=MODE) as client:
            await session(client)
        return
    url, token = REST
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=MODE) as client:
            await session(client)


asyncio.run(main())
