// The official TypeScript clients of MCP against a server, over HTTP or standard input and output.
//
// Usage: mcp_client.mjs v1|v2|v2-auto http URL TOKEN
//        mcp_client.mjs v1|v2|v2-auto stdio PROGRAM [ARGUMENT...]
//
// v1 is @modelcontextprotocol/sdk, v2 @modelcontextprotocol/client; v2-auto asks for 2026-07-28 first. Ends with status 0
// when everything was as it should be.

import assert from 'node:assert/strict';

const [version, transportName, ...rest] = process.argv.slice(2);
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

async function sdk() {
  if (version === 'v1') {
    const { Client } = await import('@modelcontextprotocol/sdk/client/index.js');
    const { StreamableHTTPClientTransport } = await import('@modelcontextprotocol/sdk/client/streamableHttp.js');
    const { StdioClientTransport } = await import('@modelcontextprotocol/sdk/client/stdio.js');
    return { Client, StreamableHTTPClientTransport, StdioClientTransport };
  }
  const { Client, StreamableHTTPClientTransport } = await import('@modelcontextprotocol/client');
  const { StdioClientTransport } = await import('@modelcontextprotocol/client/stdio');
  return { Client, StreamableHTTPClientTransport, StdioClientTransport };
}

function transport({ StreamableHTTPClientTransport, StdioClientTransport }) {
  if (transportName === 'stdio') {
    const [command, ...args] = rest;
    return new StdioClientTransport({ command, args });
  }
  const [url, token] = rest;
  const requestInit = { headers: { Authorization: `Bearer ${token}` } };
  return new StreamableHTTPClientTransport(new URL(url), { requestInit });
}

async function call(arguments_, name = 'manage_credentials') {
  const result = await client.callTool({ name, arguments: arguments_ });
  const text = result.content[0].text;
  assert(!text.includes('value-canary') && !text.includes(SECRET), text);
  return { result, text };
}

async function succeeds(arguments_, name) {
  const { result, text } = await call(arguments_, name);
  assert(!result.isError, text);
  assert.deepEqual(JSON.parse(text), result.structuredContent);
  return result.structuredContent;
}

async function fails(code, arguments_) {
  const { result, text } = await call(arguments_);
  assert(result.isError && result.structuredContent === undefined, text);
  assert(text.startsWith('Error') && (code === null || text.includes(`[code: ${code}]`)), text);
}

const classes = await sdk();
const options = version === 'v2-auto' ? { versionNegotiation: { mode: 'auto' } } : {};
const client = new classes.Client({ name: 'test', version: '1' }, options);
await client.connect(transport(classes));

const { tools } = await client.listTools();
assert.deepEqual(tools.map((tool) => tool.name), ['manage_credentials', 'find_credentials']);
assert.deepEqual(tools.map((tool) => tool.annotations.readOnlyHint), [false, true]);

const values = { username: 'u@example.com', password: 'value-canary' };
const created = await succeeds({ action: 'create', name: 'login', domain: 'netflix.com', values, totp_secret: SECRET });
assert.deepEqual(created.value_keys.toSorted(), ['password', 'username']);
assert.match(created.totp_code, /^[0-9]{6}$/);
const listed = await succeeds({ action: 'list', origin: 'https://netflix.com/login' }, 'find_credentials');
assert.deepEqual(listed.items.map((item) => item.id), [created.id]);
assert.equal((await succeeds({ action: 'get', id_or_name: created.id })).name, 'login');
assert.match((await succeeds({ action: 'totp_code', id_or_name: 'login' })).code, /^[0-9]{6}$/);
assert.equal((await succeeds({ action: 'update', id_or_name: 'login', name: 'renamed' })).name, 'renamed');
await fails('not_found', { action: 'get', id_or_name: 'login' });
await fails(null, { action: 'get' });
await fails(null, {});
await fails('name_taken', { action: 'create', name: 'renamed', domain: 'a.example', values });
assert.equal((await succeeds({ action: 'delete', id_or_name: 'renamed' })).deleted, true);
await assert.rejects(client.callTool({ name: 'unknown', arguments: {} }), (error) => error.code === -32602);
await client.close();
