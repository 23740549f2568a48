// Every page: in both themes, on a phone, at 200 % zoom; empty, loading, failed; by keyboard; in the reader's zone.
import assert from "node:assert/strict";
import { base, call, faults, open, organization, SCREENSHOTS, settled, tooWide } from "../support.mjs";
import { HOSTILE, USER } from "../seed.mjs";
import { bubble, idOf, loggedIn } from "./shared.mjs";

/** Returns the address of every page. */
async function pages(seeded) {
  const webhooks = await call("GET", "/sessionary/v1/webhooks");
  return {
    overview: "/console/",
    sessions: "/console/sessions",
    "no-sessions": "/console/sessions?user_id=none",
    search: "/console/search?q=order",
    users: "/console/users",
    user: `/console/user?id=${USER}`,
    erasures: "/console/erasures",
    agents: "/console/agents",
    agent: "/console/agents/a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    import: "/console/import",
    usage: "/console/usage",
    keys: "/console/keys",
    webhooks: "/console/webhooks",
    webhook: `/console/webhooks/${webhooks.data[0].id}`,
    audit: "/console/audit",
    settings: "/console/settings",
    organizations: "/console/organizations",
    health: "/console/health",
    missing: "/console/none",
    session: `/console/sessions/${await idOf(seeded.hostile)}`,
    tools: `/console/sessions/${await idOf(seeded.tools)}`,
    messaging: `/console/sessions/${await idOf(seeded.messaging)}`,
  };
}

async function everyPage(name, seeded, options) {
  const found = [];
  await loggedIn(async (page) => {
    for (const [key, path] of Object.entries(await pages(seeded))) {
      await page.goto(base + path);
      await settled(page);
      await page.screenshot({ path: `${SCREENSHOTS}${key}-${name}.png`, fullPage: true });
      found.push(...(await faults(page, key)), ...(await tooWide(page, key)));
      assert.ok(!(await page.title()).includes("hacked"), key);
    }
  }, options);
  assert.deepEqual(found, []);
}

const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
/** A window of 1280 pixels at 200 %, as browsers zoom. */
const ZOOMED = { viewport: { width: 640, height: 430 }, deviceScaleFactor: 2 };
/** The narrowest that the accessibility guidelines ask for: a window of 1280 at 400 %. */
const NARROW = { viewport: { width: 320, height: 256 }, deviceScaleFactor: 4 };

export const everywhere = {
  "every page, light": (seeded) => everyPage("light", seeded, { colorScheme: "light" }),
  "every page, dark": (seeded) => everyPage("dark", seeded, { colorScheme: "dark" }),
  "every page, on a phone": (seeded) => everyPage("phone", seeded, PHONE),
  "every page, on a phone, dark": (seeded) => everyPage("phone-dark", seeded, { ...PHONE, colorScheme: "dark" }),
  "every page, at 200 %": (seeded) => everyPage("zoomed", seeded, ZOOMED),
  "every page, at 400 %": (seeded) => everyPage("narrow", seeded, NARROW),

  async "the navigation works on a phone"() {
    await loggedIn(async (page) => {
      await page.getByRole("button", { name: "Menu" }).tap();
      assert.deepEqual(await faults(page, "menu"), []);
      await page.getByRole("link", { name: "Sessions", exact: true }).tap();
      await page.getByRole("heading", { name: "Sessions" }).waitFor();
      await page.getByRole("link", { name: "Sessions", exact: true }).waitFor({ state: "hidden" });
      await page.locator("a.session-name").first().tap();
      await page.getByText("Vendor's id").waitFor();
    }, PHONE);
  },

  async "the theme is chosen and remembered"() {
    await loggedIn(async (page) => {
      const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
      const light = await background();
      for (const name of ["automatic", "light"]) await page.getByRole("button", { name: `Theme: ${name}` }).click();
      await page.getByRole("button", { name: "Theme: dark" }).waitFor();
      const dark = await background();
      assert.notEqual(light, dark);
      await page.reload();
      await page.getByRole("button", { name: "Theme: dark" }).waitFor();
      assert.equal(await background(), dark);
    }, { colorScheme: "light" });
  },

  async "hostile texts are texts"(seeded) {
    const id = await idOf(seeded.hostile);
    await loggedIn(async (page) => {
      for (const path of [`/console/sessions/${id}`, "/console/sessions", "/console/search?q=script", "/console/users", "/console/audit"]) {
        await page.goto(base + path);
        await settled(page);
        if (path.includes(id)) for (const text of HOSTILE) await bubble(page, text.slice(0, 40)).waitFor();
        assert.equal(await page.locator("main script, main img").count(), 0, path);
        assert.ok(!(await page.title()).includes("hacked"), path);
        assert.deepEqual(await tooWide(page, path), []);
      }
      // Text from right to left is in its own direction, and turns nothing around it.
      await page.goto(`${base}/console/sessions/${id}`);
      const turned = bubble(page, "مرحبا").locator("bdi.foreign");
      assert.equal(await turned.evaluate((element) => getComputedStyle(element).unicodeBidi), "isolate");
      assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector("main")).direction), "ltr");
    });
  },

  async "an empty organization is told what to do next"() {
    const empty = await organization("Nothing yet");
    const found = [];
    await loggedIn(
      async (page) => {
        for (const path of ["", "sessions", "search", "users", "erasures", "agents", "usage", "webhooks", "sessions?state=ended", "search?q=nothing"]) {
          await page.goto(`${base}/console/${path}`);
          await settled(page);
          const says = page.locator("main .empty");
          if ((await says.count()) === 0 && path !== "usage") found.push(`${path}: nothing says that it is empty`);
          for (const text of await says.allInnerTexts()) {
            if (text.trim().split("\n").filter(Boolean).length < 2) found.push(`${path}: “${text}” leads nowhere`);
          }
          found.push(...(await faults(page, path)));
          await page.screenshot({ path: `${SCREENSHOTS}empty-${path.replace(/\W/g, "-") || "overview"}.png`, fullPage: true });
        }
      },
      { credential: empty.key },
    );
    assert.deepEqual(found, []);
  },

  async "a page that loads says so, and one that fails offers to try again"() {
    await loggedIn(async (page) => {
      let release = () => {};
      const held = new Promise((resolve) => (release = resolve));
      await page.route("**/sessionary/v1/users?*", async (route) => {
        await held;
        await route.continue();
      });
      await page.getByRole("link", { name: "Users" }).click();
      await page.locator("main .loading").waitFor();
      assert.deepEqual(await faults(page, "loading"), []);
      release();
      await page.locator("tbody tr").first().waitFor();

      let fails = true;
      const problem = { title: "Something failed.", detail: "A test fails this.", status: 500, code: "internal", type: "x", request_id: "req_1" };
      await page.route("**/sessionary/v1/agents?*", (route) =>
        fails ? route.fulfill({ status: 500, contentType: "application/problem+json", body: JSON.stringify(problem) }) : route.continue(),
      );
      await page.getByRole("link", { name: "Agents" }).click();
      await page.locator(".failure").filter({ hasText: "A test fails this." }).waitFor();
      assert.match(await page.locator(".failure").innerText(), /req_1/);
      const serious = (await faults(page, "failed")).filter((fault) => !fault.includes("could not be loaded"));
      assert.deepEqual(serious, []);
      await page.screenshot({ path: `${SCREENSHOTS}failure.png` });
      fails = false;
      await page.getByRole("button", { name: "Try again" }).click();
      await page.locator("tbody tr").first().waitFor();
    });
  },

  async "the keyboard is enough"() {
    await loggedIn(async (page) => {
      const focused = () => page.evaluate(() => document.activeElement.textContent.trim());
      const tabTo = async (text) => {
        for (let presses = 0; presses < 60; presses++) {
          await page.keyboard.press("Tab");
          if ((await focused()) === text) return;
        }
        throw new Error(`no Tab leads to ${text}`);
      };
      await settled(page);
      await tabTo("Skip to content");
      await tabTo("Sessions");
      // What has the focus can be seen.
      const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      assert.notEqual(outline, "none");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Sessions" }).waitFor();
      assert.equal(await page.evaluate(() => document.activeElement.id), "content");
      await settled(page);
      await tabTo("Export");
      await page.keyboard.press("Enter");
      const dialog = page.getByRole("dialog");
      await dialog.waitFor();
      // The focus stays in the dialog, however often Tab is pressed. The document itself is the browser's own bar.
      for (let presses = 0; presses < 8; presses++) {
        await page.keyboard.press("Tab");
        const inside = await page.evaluate(
          () => document.querySelector("dialog").contains(document.activeElement) || document.activeElement === document.body,
        );
        assert.ok(inside, await focused());
      }
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "detached" });
      assert.equal(await focused(), "Export");
      const name = (await page.locator("a.session-name").first().innerText()).trim();
      await tabTo(name);
      await page.keyboard.press("Enter");
      await page.getByText("Vendor's id").waitFor();
      await page.goto(base + "/console/");
      await settled(page);
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      assert.equal(await page.evaluate(() => document.activeElement.id), "content");
    });
  },

  async "times are in the reader's zone"(seeded) {
    const id = await idOf(seeded.tools);
    const created = (await call("GET", `/sessionary/v1/sessions/${id}`)).created_at;
    for (const timezoneId of ["Asia/Tokyo", "America/Los_Angeles"]) {
      await loggedIn(
        async (page) => {
          await page.goto(`${base}/console/sessions/${id}`);
          const shown = page.locator(`.details time[datetime="${created}"]`).first();
          const expected = new Date(created).toLocaleTimeString("en-US", { timeZone: timezoneId, timeStyle: "medium" });
          assert.ok((await shown.innerText()).includes(expected), `${await shown.innerText()} and ${expected}`);
          assert.match(await shown.getAttribute("title"), /UTC$/);
        },
        { timezoneId, locale: "en-US" },
      );
    }
  },

  async "a page that does not exist leads back"() {
    const window = await open();
    const page = await window.tab();
    const response = await page.goto(`${base}/console/sessions/agntix_00000000000000000000000000000000`);
    assert.equal(response.status(), 200);
    await window.close();
    await loggedIn(async (page) => {
      await page.goto(`${base}/console/sessions/agntix_00000000000000000000000000000000`);
      await page.getByText("This does not exist.").waitFor();
      await page.goto(`${base}/console/none`);
      await page.locator("main").getByRole("link", { name: "overview" }).click();
      await page.getByRole("heading", { name: "Overview" }).waitFor();
    });
  },
};
