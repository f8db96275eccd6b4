// Drives Chromium for the Python tests beside it: one JSON request a line on stdin, one JSON answer a line on stdout.
//   {page, open: url, mobile?}   {page, eval: expression}   {page, wait: expression, ms}   {page, fill: [selector, text]}
//   {page, type: [selector, text]}   {page, click: selector}   {page, close: true}   {page, shot: path}   {page, errors: true}
const readline = require("readline");
const { chromium } = require("playwright-core");

const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const pages = new Map();

async function serve(browser, r) {
  if (r.open) {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, ...(r.mobile ? { viewport: { width: 390, height: 844 } } : {}) });
    const page = await context.newPage();
    const errors = [];
    page.on("pageerror", e => errors.push(e.message));
    pages.set(r.page, { page, context, errors });
    await page.goto(r.open);
    return null;
  }
  const { page, context, errors } = pages.get(r.page);
  if (r.eval) return page.evaluate(r.eval);
  if (r.wait) return (await page.waitForFunction(r.wait, undefined, { timeout: r.ms || 15000, polling: 50 })).jsonValue();
  if (r.fill) return page.fill(...r.fill);
  if (r.type) return page.type(...r.type);
  if (r.click) return page.click(r.click);
  if (r.shot) return page.screenshot({ path: r.shot, fullPage: true }).then(() => null);
  if (r.errors) return errors;
  if (r.close) return context.close();
  throw new Error("unknown request");
}

(async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: FLAGS });
  console.log(JSON.stringify({ ok: browser.version() }));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    try {
      console.log(JSON.stringify({ ok: (await serve(browser, JSON.parse(line))) ?? null }));
    } catch (e) {
      console.log(JSON.stringify({ error: e.message }));
    }
  }
  await browser.close();
})().catch(e => {
  console.log(JSON.stringify({ error: e.message }));
  process.exit(1);
});
