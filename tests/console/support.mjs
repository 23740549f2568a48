// The browser, the service behind it, and checks that every page has to pass.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
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

/** Ends the service, which starts again over the same data. */
export const restart = () => process.kill(Number(readFileSync(process.env.SERVICE_PID, "utf8")));

/** Runs a command of the program. Returns what it prints. */
export function command(...args) {
  const env = { ...process.env, SESSIONARY_DATA_DIR: process.env.SERVICE_DATA };
  delete env.DATABASE_URL;
  return JSON.parse(execFileSync(process.env.SERVICE_PROGRAM, [...args, "--json"], { env, encoding: "utf8" }));
}

/** Creates another organization. Returns its id and a key with every scope. */
export async function organization(name) {
  const { id } = await call("POST", "/sessionary/v1/organizations", { name });
  return { id, key: command("key", "create", "--org", id, "--name", "all").api_key };
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

const TYPES = { ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

/** Serves the pages from a folder instead of the program's own, with the program's policy. */
async function serveFolder(route) {
  const { pathname } = new URL(route.request().url());
  const asset = /^\/console\/(assets\/[^/]+)$/.exec(pathname)?.[1];
  const path = `${process.env.CONSOLE_DIST}/${asset ?? "index.html"}`;
  // A page to which the program has redirected is the program's own.
  if (!existsSync(path)) return route.continue();
  const program = await fetch(`${base}/console/`).catch(() => null);
  if (program === null) return route.abort();
  const { headers } = program;
  await route.fulfill({
    path,
    headers: { "content-security-policy": headers.get("content-security-policy"), "x-content-type-options": "nosniff" },
    contentType: asset ? TYPES[asset.slice(asset.lastIndexOf("."))] : "text/html; charset=utf-8",
  });
}

/** Opens a browser of its own; what the pages complain of is collected. */
export async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, acceptDownloads: true, ...options });
  context.setDefaultTimeout(PATIENCE);
  if (process.env.CONSOLE_DIST) await context.route(`${base}/console/**`, serveFolder);
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
  // On a phone it is behind a button.
  await page.locator("#navigation").waitFor({ state: "attached" });
}

/** Waits until the page has its content. */
export async function settled(page) {
  await page.locator("h1").first().waitFor();
  await page.locator("main .loading").first().waitFor({ state: "detached" });
  await page.waitForTimeout(300);
}

/** Returns the faults of a page: what axe finds serious, and what could not be loaded. */
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

/** Returns whether the page is wider than its window, as a fault. */
export async function tooWide(page, name) {
  const [width, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  return width > window ? [`${name}: ${width} pixels wide in a window of ${window}`] : [];
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
