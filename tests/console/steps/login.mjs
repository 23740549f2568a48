// Who gets in, and what each may see.
import assert from "node:assert/strict";
import { base, call, eventually, faults, logIn, open, organization, printedLink, restart, settled } from "../support.mjs";
import { captured } from "../seed.mjs";
import { fact, loggedIn } from "./shared.mjs";

export const login = {
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

  async "the root leads to the console"() {
    const window = await open();
    const page = await window.tab();
    await page.goto(base);
    await page.getByLabel(/API key/).waitFor();
    assert.ok(page.url().endsWith("/console/"), page.url());
    await window.close();
  },

  async "login and logout"() {
    const window = await open();
    const page = await window.tab();
    await page.goto(`${base}/console/sessions`);
    await page.getByLabel(/API key/).fill("wrong");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("alert").waitFor();
    assert.deepEqual(await faults(page, "login"), []);
    await logIn(page, "/console/sessions");
    await page.getByRole("heading", { name: "Sessions" }).waitFor();
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

  async "a key's scopes decide what is shown"() {
    const scopes = ["sessions:read", "events:read"];
    const created = await call("POST", "/sessionary/v1/keys", { name: "reader", scopes });
    await loggedIn(
      async (page) => {
        const links = await page.getByRole("navigation", { name: "Pages" }).getByRole("link").allInnerTexts();
        assert.deepEqual(links, ["Overview", "Sessions", "Users"]);
        await settled(page);
        assert.deepEqual(await faults(page, "a reader's overview"), []);
        await page.getByRole("link", { name: "Sessions", exact: true }).click();
        await page.getByRole("heading", { name: "Sessions" }).waitFor();
        assert.equal(await page.getByRole("button", { name: "Export" }).count(), 0);
        await page.locator("tbody a.session-name").first().click();
        await fact(page, "Vendor's id").waitFor();
        for (const name of ["Edit", "End", "Delete", "Export", "Erase"]) {
          assert.equal(await page.getByRole("button", { name, exact: true }).count(), 0, name);
        }
        assert.equal(await page.getByText("Add a message").count(), 0);
        // An address that someone else sent leads to an error, not to a blank page.
        await page.goto(`${base}/console/keys`);
        await page.locator(".failure").filter({ hasText: "scope" }).waitFor();
      },
      { credential: created.key },
    );
  },

  async "a key without any scope for reading is told so"() {
    const created = await call("POST", "/sessionary/v1/keys", { name: "capture only", scopes: ["capture"] });
    await loggedIn(
      async (page) => {
        await page.getByText("This credential may not read sessions.").waitFor();
        assert.deepEqual(await faults(page, "no scopes"), []);
      },
      { credential: created.key },
    );
  },

  async "only operators see the deployment"() {
    const other = await organization("No operator");
    await loggedIn(
      async (page) => {
        await page.getByRole("link", { name: "Settings" }).waitFor();
        assert.equal(await page.getByRole("link", { name: "Organizations" }).count(), 0);
        await page.goto(`${base}/console/organizations`);
        await page.getByText("Only operators").waitFor();
      },
      { credential: other.key },
    );
  },

  async "a revoked key ends the view"() {
    const scopes = ["sessions:read", "events:read"];
    const created = await call("POST", "/sessionary/v1/keys", { name: "short-lived", scopes });
    const window = await open();
    const page = await window.tab();
    await logIn(page, "/console/sessions", created.key);
    await page.locator(".live.open").first().waitFor();
    await call("DELETE", `/sessionary/v1/keys/${created.id}`);
    await eventually("the cookie is rejected", async () => {
      const cookies = await window.context.cookies();
      const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
      return (await fetch(`${base}/sessionary/v1/me`, { headers: { cookie } })).status === 401;
    });
    // No one touches the page. What happens now is not sent to it: its stream ends, and it asks why.
    await captured("not-for-the-revoked", [["secret", "secret"]]);
    await page.getByText("Your login has ended").waitFor();
    assert.equal(await page.getByText("not-for-the-revoked").count(), 0);
    assert.deepEqual(await faults(page, "ended"), []);
    await window.close();
  },

  async "a restart is survived"() {
    await loggedIn(async (page) => {
      await page.goto(`${base}/console/sessions`);
      await page.locator(".live.open").first().waitFor();
      restart();
      await page.locator(".live.lost").first().waitFor();
      // A page that is opened meanwhile shows why it is empty, and fills by itself.
      await page.getByRole("link", { name: "Users" }).click();
      await eventually("the service is back", async () => (await fetch(`${base}/readyz`)).ok);
      await page.locator("tbody tr").first().waitFor({ timeout: 30_000 });
      await page.goBack();
      await page.locator(".live.open").first().waitFor({ timeout: 30_000 });
      await captured("after", [["after the restart", "yes"]]);
      await page.getByRole("button", { name: /Show \d+ new/ }).waitFor();
    });
  },
};
