// An agent that drives the browser with Playwright and stays attached all the time.
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const browser = await chromium.connectOverCDP(process.argv[2]);
const context = browser.contexts()[0];
const requests = [];
let page;

async function textInScreenshot() {
  // What a picture would show of the fields: their text, but for those that are drawn as dots.
  return page.evaluate(() => [...document.querySelectorAll('input')].map((input) =>
    input.type === 'password' || getComputedStyle(input).webkitTextSecurity !== 'none' ? '' : input.value));
}

const commands = {
  async open({ url }) {
    page = await context.newPage();
    page.on('request', (request) => requests.push({ url: request.url(), headers: request.headers(), body: request.postData() }));
    await page.goto(url);
    const session = await context.newCDPSession(page);
    const { targetInfo } = await session.send('Target.getTargetInfo');
    return targetInfo.targetId;
  },
  // The page is answered by the agent itself, or fetched from another site.
  async intercept({ url, to }) {
    page = await context.newPage();
    await page.route('**/*', (route) => (to ? route.continue({ url: to }) : route.fulfill({
      contentType: 'text/html',
      body: '<form method="post"><input name="username"><input type="password" name="password"><button>Go</button></form>',
    })));
    await page.goto(url);
    const session = await context.newCDPSession(page);
    return (await session.send('Target.getTargetInfo')).targetInfo.targetId;
  },
  // Everything that an agent gets to see.
  async read() {
    await page.waitForLoadState();
    const session = await context.newCDPSession(page);
    const inputs = await page.locator('input').all();
    const bodies = requests.filter((request) => request.body).length;
    return {
      url: page.url(),
      seen: {
        aria: await page.locator('body').ariaSnapshot(),
        content: await page.content(),
        values: await Promise.all(inputs.map((input) => input.inputValue())),
        screenshot: await textInScreenshot(),
        snapshot: await session.send('DOMSnapshot.captureSnapshot', { computedStyles: [] }),
        dom: await session.send('DOM.getDocument', { depth: -1, pierce: true }),
        accessibility: await session.send('Accessibility.getFullAXTree'),
        requests: requests.map(({ url, headers }) => ({ url, headers })),
      },
      bodies,
    };
  },
  // What can't be held back from whoever watches the network.
  async bodies() {
    return requests.map((request) => request.body ?? '');
  },
  // The page works as before.
  async type({ selector, text }) {
    await page.fill(selector, text);
    return page.inputValue(selector);
  },
  async login({ url, user, password }) {
    const start = performance.now();
    await page.goto(url);
    const opened = performance.now();
    await page.fill('#user', user);
    await page.fill('#pass', password);
    await Promise.all([page.waitForURL('**/welcome'), page.click('button')]);
    return { open: opened - start, login: performance.now() - opened };
  },
  // Its own connection may hear of the navigation a moment later than ours.
  async arrive({ url }) {
    await page.waitForURL(url);
  },
  async go({ url }) {
    await page.goto(url);
    return page.url();
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { name, ...parameters } = JSON.parse(line);
  const answer = await commands[name](parameters).then((result) => ({ result: result ?? null }), (error) => ({ error: String(error) }));
  process.stdout.write('answer ' + JSON.stringify(answer) + '\n');
}
await browser.close();
