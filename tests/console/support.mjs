// The browser, the service behind it, and checks that every page has to pass.
import assert from "node:assert/strict";
import { readFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

export const SCREENSHOTS = new URL("./screenshots/", import.meta.url).pathname;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** Time limit of one wait, in milliseconds. */
const PATIENCE = 10_000;

mkdirSync(SCREENSHOTS, { recursive: true });

export const demo = JSON.parse(readFileSync(process.env.DEMO_JSON, "utf8"));
export const base = demo.base_url;
export const key = demo.api_key;

/** Returns the one-time link that the service printed last. */
export function printedLink() {
  const links = readFileSync(process.env.SERVICE_OUT, "utf8").match(/http\S+#once=\S+/g) ?? [];
  return links.at(-1);
}

/** Sends a request to the service without the browser. */
export async function call(method, path, body, headers = {}) {
  const response = await fetch(base + path, {
    method,
    headers: { "x-api-key": key, ...(body && { "content-type": "application/json" }), ...headers },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

const browser = await chromium.launch({ executablePath: process.env.BROWSER, args: ["--no-sandbox"] });
export const close = () => browser.close();

/** Opens a browser of its own; what the pages complain of is collected. */
export async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, acceptDownloads: true, ...options });
  context.setDefaultTimeout(PATIENCE);
  const complaints = [];
  context.on("console", (message) => {
    // A response with an error status is a step's own business.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) complaints.push(message.text());
  });
  context.on("weberror", (error) => complaints.push(String(error.error())));
  const tab = async () => {
    const page = await context.newPage();
    return page;
  };
  return { tab, complaints, close: () => context.close(), context };
}

/** Logs in with a key at the page's address. */
export async function logIn(page, path = "/console/", credential = key) {
  await page.goto(base + path);
  await page.getByLabel(/API key/).fill(credential);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("navigation", { name: "Pages" }).waitFor({ state: "attached" });
}

/** Waits until the page has its content. */
export async function settled(page) {
  await page.locator("h1").first().waitFor();
  await page.locator("main .loading").first().waitFor({ state: "detached" });
  await page.waitForTimeout(300);
}

/** Returns the faults of a page that are serious: of accessibility, and of its width on a phone. */
export async function faults(page, name) {
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => (await axe.run(document, { resultTypes: ["violations"] })).violations);
  const list = found
    .filter((fault) => ["serious", "critical"].includes(fault.impact))
    .map((fault) => `${name}: ${fault.id}: ${fault.nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`);
  const failure = page.locator("main .failure");
  if (await failure.count()) list.push(`${name}: ${await failure.first().innerText()}`);
  return list;
}

/** Returns what is wider than a phone of 320 pixels, which is also a window of 640 at 200 %. */
export async function tooWide(page, name) {
  await page.setViewportSize({ width: 320, height: 640 });
  await page.waitForTimeout(100);
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  await page.setViewportSize({ width: 1280, height: 860 });
  return width > 320 ? [`${name}: ${width} pixels wide at 320`] : [];
}

/** Calls until it returns something true. */
export async function eventually(what, check) {
  const end = Date.now() + 20_000;
  for (;;) {
    if (await check().catch(() => false)) return;
    if (Date.now() > end) throw new Error(`it did not happen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
