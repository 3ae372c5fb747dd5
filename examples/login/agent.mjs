// What an agent has of the vault: the tools of an MCP server that it starts itself, `strongroom mcp`. Agents have an SDK
// for this; here it is written out, so that the example needs nothing but Node.js. https://modelcontextprotocol.io
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export class Agent {
  /** All that the server has ever said to it. */
  heard = '';
  #server;
  #waiting = new Map();
  #lastId = 0;

  constructor(program, options) {
    this.#server = spawn(program, ['mcp', ...options], { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.#server.stdout }).on('line', (line) => {
      this.heard += line;
      const { id, result, error } = JSON.parse(line);
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) waiting?.reject(new Error(error.message)); else waiting?.resolve(result);
    });
    const broken = () => this.#waiting.forEach(({ reject }) => reject(new Error('the MCP server has ended')));
    this.#server.on('error', broken).on('exit', broken);
  }

  async start() {
    await this.#request('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'example', version: '1' } });
    this.#send({ method: 'notifications/initialized' });
    return (await this.#request('tools/list', {})).tools.map((tool) => tool.name);
  }

  /** The result as the model gets it: its JSON, or an error with what to do next. */
  async call(name, args) {
    const result = await this.#request('tools/call', { name, arguments: args });
    if (result.isError) throw new Error(result.content[0].text);
    return result.structuredContent;
  }

  /** The server ends with its input. */
  async stop() {
    const ended = new Promise((resolve) => this.#server.on('exit', resolve));
    this.#server.stdin.end();
    if (this.#server.exitCode === null) await ended;
  }

  #send(message) {
    this.#server.stdin.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\n');
  }

  #request(method, params) {
    const id = ++this.#lastId;
    const answer = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#send({ id, method, params });
    return answer;
  }
}
