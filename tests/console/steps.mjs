// What users do.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { base, call, eventually, faults, key, logIn, open, printedLink, SCREENSHOTS, settled, tooWide } from "./support.mjs";
import { captured, capture, HOSTILE, USER } from "./seed.mjs";

const PAGES = {
  overview: "/console/",
  sessions: "/console/sessions",
  "no-sessions": "/console/sessions?user_id=none",
  search: "/console/search?q=order",
  users: "/console/users",
  user: `/console/user?id=${USER}`,
  erasures: "/console/erasures",
  agents: "/console/agents",
  agent: "/console/agents/a1b2c3d4-e5f6-7890-abcd-ef1234567890",
  usage: "/console/usage",
  keys: "/console/keys",
  webhooks: "/console/webhooks",
  audit: "/console/audit",
  settings: "/console/settings",
  missing: "/console/none",
};

/** Returns the id over all dialects of a session, by its vendor's id. */
async function idOf(vendorId) {
  let cursor = "";
  do {
    const page = await call("GET", `/sessionary/v1/sessions?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    const found = page.data.find((session) => session.vendor_id === vendorId);
    if (found) return found.id;
    cursor = page.next_cursor;
  } while (cursor);
  throw new Error(`no session ${vendorId}`);
}

const bubble = (page, text) => page.locator(".bubble").filter({ hasText: text }).first();

/** Opens a browser that is logged in, runs an action, and checks that the pages complained of nothing. */
async function loggedIn(action, options) {
  const window = await open(options);
  const page = await window.tab();
  try {
    await logIn(page);
    await action(page, window);
    assert.deepEqual(window.complaints, []);
  } catch (error) {
    await page.screenshot({ path: `${SCREENSHOTS}failed.png` }).catch(() => {});
    throw error;
  } finally {
    await window.close();
  }
}

async function everyPage(scheme, seeded) {
  const found = [];
  const hostile = await idOf(seeded.hostile);
  await loggedIn(
    async (page) => {
      for (const [name, path] of Object.entries({ ...PAGES, session: `/console/sessions/${hostile}` })) {
        await page.goto(base + path);
        await settled(page);
        await page.screenshot({ path: `${SCREENSHOTS}${name}-${scheme}.png`, fullPage: true });
        found.push(...(await faults(page, name)), ...(await tooWide(page, name)));
        assert.ok(!(await page.title()).includes("hacked"), name);
      }
    },
    { colorScheme: scheme },
  );
  assert.deepEqual(found, []);
}

export const steps = {
  async "one-time link"() {
    const window = await open();
    const page = await window.tab();
    const link = printedLink();
    await page.goto(link);
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    assert.ok(!page.url().includes("once"), page.url());
    await window.close();

    const second = await open();
    const other = await second.tab();
    await other.goto(link);
    await other.getByText("This link was used already").waitFor();
    await second.close();
  },

  async "login and logout"() {
    const window = await open();
    const page = await window.tab();
    await page.goto(base);
    await page.waitForURL("**/console/");
    await page.screenshot({ path: `${SCREENSHOTS}login-light.png` });
    assert.deepEqual([...(await faults(page, "login")), ...(await tooWide(page, "login"))], []);
    await page.getByLabel(/API key/).fill(`${key}x`);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("alert").waitFor();
    await logIn(page, "/console/keys");
    await page.getByRole("heading", { name: "Keys" }).waitFor();
    const cookies = await window.context.cookies();
    assert.equal(cookies.length, 1);
    assert.ok(cookies[0].httpOnly && cookies[0].sameSite === "Strict", JSON.stringify(cookies));
    assert.equal(await page.evaluate(() => document.cookie), "");
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByText("You have logged out.").first().waitFor();
    assert.deepEqual(await window.context.cookies(), []);
    await page.reload();
    await page.getByLabel(/API key/).waitFor();
    await window.close();
  },

  "every page, light": (seeded) => everyPage("light", seeded),
  "every page, dark": (seeded) => everyPage("dark", seeded),

  async "a key's scopes decide what is shown"() {
    const created = await call("POST", "/sessionary/v1/keys", { name: "reader", scopes: ["sessions:read", "events:read"] });
    const window = await open();
    const page = await window.tab();
    await logIn(page, "/console/", created.key);
    const links = await page.getByRole("navigation", { name: "Pages" }).getByRole("link").allInnerTexts();
    assert.ok(links.includes("Sessions") && !links.includes("Keys") && !links.includes("Audit log"), String(links));
    await window.close();
  },

  async "hostile texts are texts"(seeded) {
    const id = await idOf(seeded.hostile);
    await loggedIn(async (page) => {
      await page.goto(`${base}/console/sessions/${id}`);
      for (const text of HOSTILE) await bubble(page, text.slice(0, 40)).waitFor();
      assert.equal(await page.locator(".bubble script, .bubble img").count(), 0);
      assert.ok(!(await page.title()).includes("hacked"));
      assert.deepEqual(await tooWide(page, "hostile"), []);
    });
  },

  async "a conversation is live in two tabs"() {
    const session = await captured("live", [["first", "reply to first"]]);
    const id = await idOf(session);
    await loggedIn(async (page, window) => {
      const other = await window.tab();
      for (const tab of [page, other]) {
        await tab.goto(`${base}/console/sessions/${id}`);
        await bubble(tab, "first").waitFor();
        await tab.locator(".live.open").first().waitFor();
      }
      await capture(session, "second", "reply to second");
      for (const tab of [page, other]) await bubble(tab, "reply to second").waitFor();
    });
  },

  async "new sessions are announced"() {
    await loggedIn(async (page) => {
      await page.goto(`${base}/console/sessions`);
      await page.locator(".live.open").first().waitFor();
      const before = await page.locator("tbody tr").count();
      await captured("newcomer", [["hello", "hello"]]);
      await page.getByRole("button", { name: /Show \d+ new/ }).click();
      await eventually("a new row", async () => (await page.locator("tbody tr").count()) > before);
    });
  },

  async "an agent replies in the playground"() {
    await loggedIn(async (page) => {
      await page.goto(base + PAGES.agent);
      await page.getByLabel("Message").fill("Hello there");
      await page.getByRole("button", { name: "Send" }).click();
      await page.locator(".bubble.assistant").filter({ hasText: "Hello there" }).waitFor();
    });
  },

  async "a key is created, rotated and revoked"() {
    await loggedIn(async (page) => {
      await page.goto(`${base}/console/keys`);
      await page.getByRole("button", { name: "New key" }).click();
      const dialog = page.getByRole("dialog");
      assert.deepEqual(await faults(page, "new key"), []);
      await dialog.getByLabel("Name").fill("From the browser");
      await dialog.getByRole("button", { name: "Create" }).click();
      const shown = (await dialog.locator("pre").innerText()).trim();
      const me = await call("GET", "/sessionary/v1/me", undefined, { "x-api-key": shown });
      assert.equal(me.credential.kind, "api_key");
      await dialog.getByRole("button", { name: "I have stored it" }).click();
      await page.getByRole("button", { name: "Rotate From the browser" }).first().click();
      await dialog.getByRole("button", { name: "Rotate", exact: true }).click();
      await dialog.locator("pre").waitFor();
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Revoke From the browser" }).first().click();
      await dialog.getByRole("button", { name: "Revoke key" }).click();
      await page.getByText("The key has been revoked.").waitFor();
    });
  },

  async "an export arrives whole"() {
    await loggedIn(async (page) => {
      await page.goto(`${base}/console/sessions`);
      await page.getByRole("button", { name: "Export" }).click();
      const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download JSONL" }).click()]);
      const lines = readFileSync(await download.path(), "utf8").trim().split("\n");
      assert.ok(lines.length >= 5, `${lines.length} lines`);
      for (const line of lines) JSON.parse(line);
    });
  },

  async "an erasure has a receipt"() {
    const session = await captured("forgotten", [["forget me", "of course"]]);
    const id = await idOf(session);
    await loggedIn(async (page) => {
      await page.goto(`${base}/console/sessions/${id}`);
      await bubble(page, "forget me").waitFor();
      await page.getByRole("button", { name: "Erase" }).click();
      const dialog = page.getByRole("dialog");
      assert.deepEqual(await faults(page, "erase"), []);
      await dialog.getByLabel(/to confirm/).fill("erase");
      await dialog.getByRole("button", { name: "Erase for good" }).click();
      await dialog.getByText("Store this proof now").waitFor();
      assert.deepEqual(await faults(page, "receipt"), []);
      await dialog.getByRole("button", { name: "Done" }).click();
      await page.getByText("This session is being erased.").waitFor();
      await page.goto(`${base}/console/erasures`);
      // What was in progress at the request is erased five minutes later; until then it is settling.
      await eventually("the session is erased", async () => {
        await page.reload();
        await settled(page);
        return /settling|done/.test(await page.locator("tbody tr").first().innerText());
      });
    });
  },

  async "a revoked key ends the view"() {
    const created = await call("POST", "/sessionary/v1/keys", { name: "short-lived", scopes: ["sessions:read", "events:read"] });
    const window = await open();
    const page = await window.tab();
    await logIn(page, "/console/sessions", created.key);
    await page.locator(".live.open").first().waitFor();
    await call("DELETE", `/sessionary/v1/keys/${created.id}`);
    await page.getByRole("link", { name: "Users" }).click();
    await page.getByText("Your login has ended").waitFor();
    assert.deepEqual(await faults(page, "ended"), []);
    await window.close();
  },

  async "a restart is survived"() {
    await loggedIn(async (page) => {
      await page.goto(`${base}/console/sessions`);
      await page.locator(".live.open").first().waitFor();
      process.kill(Number(readFileSync(process.env.SERVICE_PID, "utf8")));
      await page.locator(".live.lost").first().waitFor();
      await eventually("the service is back", async () => (await fetch(`${base}/readyz`)).ok);
      await page.locator(".live.open").first().waitFor({ timeout: 30_000 });
      await captured("after", [["after the restart", "yes"]]);
      await page.getByRole("button", { name: /Show \d+ new/ }).waitFor();
    });
  },

  async "the keyboard is enough"() {
    await loggedIn(async (page) => {
      await page.goto(`${base}/console/sessions`);
      await settled(page);
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      assert.equal(await page.evaluate(() => document.activeElement.id), "content");
      await page.getByRole("button", { name: "Export" }).focus();
      await page.keyboard.press("Enter");
      const dialog = page.getByRole("dialog");
      await dialog.waitFor();
      assert.ok(await page.evaluate(() => document.querySelector("dialog").contains(document.activeElement)));
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "detached" });
      assert.equal(await page.evaluate(() => document.activeElement.textContent), "Export");
    });
  },

  async "the page is ready within 300 ms"() {
    await loggedIn(async (page) => {
      await page.goto(`${base}/console/sessions`);
      await page.locator("tbody tr").first().waitFor();
      const times = [];
      for (let round = 0; round < 5; round++) {
        await page.reload();
        await page.locator("tbody tr").first().waitFor();
        times.push(await page.evaluate(() => performance.now()));
      }
      console.log(`     ready after ${times.map(Math.round).join(", ")} ms`);
      assert.ok(Math.min(...times) < 300, String(times));
    });
  },
};
