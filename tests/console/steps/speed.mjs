// How long the list of sessions takes with many of them. It is printed, and no limit is checked: CONSOLE_SESSIONS says how
// many sessions there are to be, and the build decides the rest.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { base, call, demo, logIn, open } from "../support.mjs";

const SESSIONS = Number(process.env.CONSOLE_SESSIONS || 2_000);
const LOADS = 11;

/** Adds sessions by SQL, because as many requests would take minutes. */
function fill(count) {
  // The port and the folder of the socket are the fourth and fifth line.
  const [, , , port, socket] = readFileSync(`${process.env.SERVICE_DATA}/postgres/postmaster.pid`, "utf8").split("\n");
  const settings = ["-v", "ON_ERROR_STOP=1", "-v", `org=${demo.org_id}`, "-v", `count=${count}`];
  const file = new URL("../fill.sql", import.meta.url).pathname;
  execFileSync(process.env.PSQL, ["-qX", "-h", socket, "-p", port, "-U", "postgres", ...settings, "-f", file, "sessionary"]);
}

/** Notes when the page has its rows and has painted them, which is when it can be used. */
function watch() {
  const seen = () => {
    if (!document.querySelector("main tbody tr a")) return false;
    requestAnimationFrame(() => setTimeout(() => (window.interactiveAt = performance.now())));
    return true;
  };
  new MutationObserver((_, observer) => seen() && observer.disconnect()).observe(document, { childList: true, subtree: true });
}

async function interactive(page) {
  await page.waitForFunction(() => window.interactiveAt !== undefined);
  return page.evaluate(() => window.interactiveAt);
}

function shown(name, times) {
  const sorted = [...times].sort((a, b) => a - b).map(Math.round);
  console.log(`     ${name}: median ${sorted[sorted.length >> 1]} ms, ${sorted[0]} to ${sorted.at(-1)} ms`);
}

export const speed = {
  async "the list of sessions is interactive soon"() {
    fill(SESSIONS);
    const page = await call("GET", "/sessionary/v1/sessions?limit=100");
    assert.ok(page.data.length === 100 && page.next_cursor, "there are many");
    const window = await open();
    await logIn(await window.tab());
    const storageState = await window.context.storageState();
    console.log(`     the list of ${SESSIONS} sessions, ${LOADS} loads each`);
    const times = { "with an empty cache": [], "loaded again": [], "from another page": [] };
    for (let load = 0; load < LOADS; load++) {
      const fresh = await open({ storageState });
      const tab = await fresh.tab();
      await tab.addInitScript(watch);
      await tab.goto(`${base}/console/sessions`);
      times["with an empty cache"].push(await interactive(tab));
      await tab.reload();
      times["loaded again"].push(await interactive(tab));
      await tab.getByRole("link", { name: "Agents" }).click();
      await tab.locator("tbody tr").first().waitFor();
      times["from another page"].push(
        await tab.evaluate(async () => {
          const began = performance.now();
          document.querySelector('nav a[href="/console/sessions"]').click();
          while (document.querySelectorAll('main a.session-name').length === 0) await new Promise(requestAnimationFrame);
          return performance.now() - began;
        }),
      );
      assert.deepEqual(fresh.complaints, []);
      await fresh.close();
    }
    for (const [name, all] of Object.entries(times)) shown(name, all);
    await window.close();
  },
};
