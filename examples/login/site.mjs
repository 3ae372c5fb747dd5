// A site to log in to, in three pages: user name, password, one-time code (RFC 6238). It keeps what it is shown in
// memory and is for this example only.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const page = (body) => `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Example Ledger</title><style>
body { font: 16px/1.5 system-ui, sans-serif; background: #f3f4f6; color: #1f2937; display: grid; place-items: center; min-height: 90vh; margin: 0 }
main { background: #fff; padding: 2rem 2.5rem; border-radius: 12px; box-shadow: 0 2px 12px #0002; width: 20rem }
h1 { font-size: 1.3rem; margin: 0 0 1rem } label { display: block; margin-bottom: 1rem } p { margin: 0 0 1rem }
input { display: block; width: 100%; box-sizing: border-box; font: inherit; padding: .5rem; border: 1px solid #9ca3af; border-radius: 6px }
button { font: inherit; width: 100%; padding: .6rem; border: 0; border-radius: 6px; background: #1d4ed8; color: #fff }
</style><main><h1>Example Ledger</h1>${body}</main></html>`;

const form = (action, field, button, error = '') => page(
  `${error && `<p role="alert">${error}</p>`}<form method="post" action="${action}">${field}<button>${button}</button></form>`);
const pages = {
  '/': (error) => form('/user', '<label>User name <input name="username" autocomplete="username"></label>', 'Next', error),
  '/password': (error) => form('/password',
    '<label>Password <input name="password" type="password" autocomplete="current-password"></label>', 'Next', error),
  '/code': (error) => form('/code',
    '<label>Code <input name="code" inputmode="numeric" autocomplete="one-time-code"></label>', 'Sign in', error),
};

const same = (one, two) => one.length === two.length && timingSafeEqual(Buffer.from(one), Buffer.from(two));

function code(secret, step) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac('sha1', secret).update(counter).digest();
  const at = mac[19] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1e6).padStart(6, '0');
}

function base32(text) {
  let bits = '';
  for (const character of text) bits += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(character).toString(2).padStart(5, '0');
  return Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
}

/** Starts the site on a free port of this machine, for one user. Gives its port. */
export async function start(user) {
  const sessions = new Map();
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    let id = /session=([0-9a-f]+)/.exec(request.headers.cookie ?? '')?.[1];
    if (!sessions.has(id)) sessions.set(id = randomBytes(16).toString('hex'), {});
    const session = sessions.get(id);
    const send = (html) => response.writeHead(200, {
      'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store',
      'set-cookie': `session=${id}; HttpOnly; SameSite=Lax; Path=/`,
    }).end(html);
    const see = (path) => response.writeHead(303, { location: path }).end();
    if (request.method === 'GET') {
      if (pathname === '/ledger') return session.done ? send(page(`<p>Welcome. You are signed in.</p><p>Balance: 1,234.56</p>`)) : see('/');
      return pages[pathname] ? send(pages[pathname]()) : response.writeHead(404).end();
    }
    let body = '';
    for await (const chunk of request) body += chunk;
    const sent = new URLSearchParams(body);
    if (pathname === '/user') {
      session.user = sent.get('username') ?? '';
      return see('/password');
    }
    if (pathname === '/password') {
      session.password = same(session.user ?? '', user.username) && same(sent.get('password') ?? '', user.password);
      return session.password ? see('/code') : send(pages['/']('User name or password is wrong.'));
    }
    if (pathname === '/code') {
      const now = Math.floor(Date.now() / 30000);
      const right = [now - 1, now].some((step) => same(sent.get('code') ?? '', code(base32(user.totpSecret), step)));
      session.done = session.password && right;
      return session.done ? see('/ledger') : send(pages['/code']('The code is wrong.'));
    }
    return response.writeHead(404).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  return server.address().port;
}
