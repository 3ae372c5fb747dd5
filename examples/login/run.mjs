// A login that the agent never sees: starts a site, Chromium and `strongroom serve`, stores a credential as a person
// would, and then does what an agent does: opens the page, looks with the tools of `strongroom mcp` which credential there
// is for it, and asks for the login by its name.
//
//   cargo xtask build
//   node examples/login/run.mjs [--pictures FOLDER]
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Agent } from './agent.mjs';
import { start } from './site.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const strongroom = process.env.STRONGROOM_BINARY ?? join(root, 'target/release/strongroom');
const chromium = process.env.STRONGROOM_CHROMIUM ?? 'chromium';
const pictures = process.argv[2] === '--pictures' ? process.argv[3] : null;

const folder = await mkdtemp(join(tmpdir(), 'strongroom-example-'));
const children = [];
function run(program, options, pattern, stream) {
  const child = spawn(program, options, { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  return new Promise((resolve, reject) => {
    let text = '';
    child.on('error', () => reject(new Error(`${program} cannot be started`)));
    child.on('exit', (code) => reject(new Error(`${program} ended with ${code}: ${text.slice(-500)}`)));
    for (const name of ['stdout', 'stderr']) {
      child[name].on('data', (data) => {
        if (name === stream) text += data;
        const found = pattern.exec(text);
        if (found) resolve(found[1]);
      });
    }
  });
}

async function main() {
  // A person's side: an account at a site, and the vault that keeps it.
  const user = { username: 'ops@example.com', password: randomBytes(12).toString('base64url'), totpSecret: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP' };
  const site = `http://localhost:${await start(user)}`;
  const debuggingUrl = await run(chromium, ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync', '--window-size=640,420',
    '--remote-debugging-port=0', `--user-data-dir=${join(folder, 'profile')}`], /listening on (ws:\S+)/, 'stderr');
  const browser = debuggingUrl.replace('ws:', 'http:').replace(/\/devtools.*/, '');
  const state = join(folder, 'vault');
  const vault = await run(strongroom, ['serve', '--listen', '127.0.0.1:0', '--state-dir', state], /listens on (\S+)/, 'stdout');
  const admin = (await readFile(join(state, 'admin.token'), 'utf8')).trim();
  const stored = await fetch(`${vault}/credentials`, {
    method: 'POST',
    headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'example-ledger', domain: 'localhost',
      values: { username: user.username, password: user.password }, totp_secret: user.totpSecret }),
  });
  if (!stored.ok) throw new Error(`the vault answered ${stored.status}`);
  const { id } = await stored.json();

  // The agent's side: it has a browser, and tools that give no values. Which browser that is, and that a port of this
  // machine belongs to the credential, is said by whoever configures the agent: by its id, as names can change hands.
  const agent = new Agent(strongroom, ['--state-dir', state, '--scopes', 'read,fill',
    '--browser', `agent=${browser}`, '--allow-port', `${id}=${new URL(site).port}`]);
  console.log(`agent: the tools are ${(await agent.start()).join(', ')}`);
  const page = await (await fetch(`${browser}/json/new?${encodeURIComponent(site)}`, { method: 'PUT' })).json();
  await loaded(page, site + '/');
  if (pictures) await picture(page, join(pictures, 'before.png'));
  const { items: [credential] } = await agent.call('manage_credentials', { action: 'list', domain: 'localhost' });
  console.log(`agent: log in at ${site} with ${credential.name}`);
  // A code that expires in the middle of the login would be asked for again; the agent waits for the next one instead.
  const left = 30_000 - (Date.now() % 30_000);
  if (left < 12_000) await new Promise((resolve) => setTimeout(resolve, left));
  const answer = await agent.call('fill_login', { credential: credential.name, page: page.id });
  console.log(JSON.stringify(answer, null, 2));
  await loaded(page, `${site}/ledger`);
  if (pictures) await picture(page, join(pictures, 'after.png'));
  console.log(`agent: the page is now ${site}/ledger`);
  await agent.stop();
  for (const value of [user.password, user.username, user.totpSecret]) {
    if (agent.heard.includes(value)) throw new Error('the agent has seen a value');
  }
  if (answer.status !== 'submitted' || answer.steps.length !== 3) throw new Error('the login did not go through');

  async function loaded(page, url) {
    for (const start = Date.now(); Date.now() - start < 60_000;) {
      const all = await (await fetch(`${browser}/json/list`)).json();
      if (all.find((one) => one.id === page.id)?.url === url) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`the page does not get to ${url}`);
  }
}

/** A picture of a page, for the README; needs a Node.js with WebSocket (22, or 20 with --experimental-websocket). */
async function picture(page, file) {
  await new Promise((resolve) => setTimeout(resolve, 300));
  const socket = new WebSocket(page.webSocketDebuggerUrl);
  const result = await new Promise((resolve) => {
    socket.onopen = () => socket.send(JSON.stringify({ id: 1, method: 'Page.captureScreenshot', params: { format: 'png' } }));
    socket.onmessage = (event) => { const message = JSON.parse(event.data); if (message.id === 1) resolve(message.result); };
  });
  socket.close();
  await writeFile(file, Buffer.from(result.data, 'base64'));
}

try {
  await main();
} finally {
  for (const child of children) {
    child.removeAllListeners('exit');
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = new Promise((resolve) => child.on('exit', resolve));
    child.kill();
    await ended;
  }
  await rm(folder, { recursive: true, force: true, maxRetries: 10 });
}
