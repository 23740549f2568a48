// What several steps do.
import assert from "node:assert/strict";
import { call, logIn, open, SCREENSHOTS } from "../support.mjs";

/** Returns the id over all dialects of a session, by its vendor's id. */
export async function idOf(vendorId, headers = {}) {
  let cursor = "";
  do {
    const query = `limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
    const page = await call("GET", `/sessionary/v1/sessions?${query}`, undefined, headers);
    const found = page.data.find((session) => session.vendor_id === vendorId);
    if (found) return found.id;
    cursor = page.next_cursor;
  } while (cursor);
  throw new Error(`no session ${vendorId}`);
}

export const bubble = (page, text) => page.locator(".bubble").filter({ hasText: text }).first();
export const notice = (page, text) => page.locator(".notices").getByText(text).waitFor();

/** Returns the value beside a name in a list of facts. */
export const fact = (page, name) =>
  page.locator(".facts > div").filter({ has: page.locator("dt", { hasText: new RegExp(`^${name}$`) }) }).locator("dd").first();

/** Opens a browser that is logged in, runs an action, and checks that the pages complained of nothing. */
export async function loggedIn(action, { credential, ...options } = {}) {
  const window = await open(options);
  const page = await window.tab();
  try {
    await logIn(page, "/console/", credential);
    await action(page, window);
    assert.deepEqual(window.complaints, []);
  } catch (error) {
    await page.screenshot({ path: `${SCREENSHOTS}failed.png` }).catch(() => {});
    throw error;
  } finally {
    await window.close();
  }
}
