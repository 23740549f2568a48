// What administrators and operators do.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import http from "node:http";
import { base, call, eventually, faults, organization, settled } from "../support.mjs";
import { AGENT } from "../seed.mjs";
import { fact, loggedIn, notice } from "./shared.mjs";

/** Listens for deliveries. */
async function receiver() {
  const received = [];
  const state = { status: 204 };
  const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
    response.writeHead(state.status).end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { received, state, url: `http://127.0.0.1:${server.address().port}/hook`, close: () => server.close() };
}

/** Returns whether a delivery is signed with a secret. */
function isSigned({ headers, body }, secret) {
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const text = `${headers["svix-id"]}.${headers["svix-timestamp"]}.${body}`;
  const expected = createHmac("sha256", key).update(text).digest("base64");
  return headers["svix-signature"].split(" ").includes(`v1,${expected}`);
}

const createSession = () => call("POST", "/v1/chat/chat/sessions", { agentId: AGENT, platform: "SDK" });

export const administration = {
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
      // Both are valid for the overlap.
      for (const key of [shown, (await dialog.locator("pre").innerText()).trim()]) {
        await call("GET", "/sessionary/v1/me", undefined, { "x-api-key": key });
      }
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Revoke From the browser" }).first().click();
      await dialog.getByRole("button", { name: "Revoke key" }).click();
      await notice(page, "The key has been revoked.");
    });
  },

  async "a webhook delivers, is sent again, and rotates its secret"() {
    const hook = await receiver();
    await loggedIn(async (page) => {
      await page.goto(`${base}/console/webhooks`);
      await page.getByRole("button", { name: "New webhook" }).first().click();
      const dialog = page.getByRole("dialog");
      assert.deepEqual(await faults(page, "new webhook"), []);
      await dialog.getByLabel("Address").fill(hook.url);
      assert.ok(!(await dialog.getByLabel("message.created").isChecked()), "what is written is sent only if it is chosen");
      for (const choice of await dialog.getByRole("checkbox").all()) await choice.uncheck();
      await dialog.getByRole("button", { name: "Create" }).click();
      await dialog.getByText("Choose at least one event.").waitFor();
      await dialog.getByLabel("session.created").check();
      await dialog.getByRole("button", { name: "Create" }).click();
      await dialog.getByText("Choose at least one dialect.").waitFor();
      await dialog.getByLabel("Agntix").check();
      await dialog.getByRole("button", { name: "Create" }).click();
      const secret = (await dialog.locator("pre").innerText()).trim();
      await dialog.getByRole("button", { name: "I have stored it" }).click();
      await page.getByRole("link", { name: hook.url }).click();
      await page.getByText("Nothing was sent yet.").waitFor();

      await createSession();
      await eventually("a delivery", async () => hook.received.length === 1);
      assert.ok(isSigned(hook.received[0], secret), "it is signed with the secret that was shown");
      const deliveries = page.getByRole("table").locator("tbody tr");
      await eventually("it is shown", async () => {
        await page.getByRole("button", { name: "Reload" }).click();
        return /session\.created[\s\S]*delivered/.test(await deliveries.first().innerText());
      });
      assert.deepEqual(await faults(page, "deliveries"), []);

      // One that fails waits, and is sent at once on request.
      hook.state.status = 500;
      await createSession();
      await eventually("it has failed", async () => {
        await page.getByRole("button", { name: "Reload" }).click();
        return /waiting[\s\S]*500/.test(await deliveries.first().innerText());
      });
      hook.state.status = 204;
      await deliveries.first().getByRole("button", { name: /^Resend/ }).click();
      await notice(page, "The delivery is sent again.");
      await eventually("it is delivered", async () => {
        await page.getByRole("button", { name: "Reload" }).click();
        return /delivered[\s\S]*204/.test(await deliveries.first().innerText());
      });
      const [failed, again] = hook.received.slice(-2);
      assert.equal(failed.headers["svix-id"], again.headers["svix-id"], "the same delivery");

      // For a day both secrets sign.
      await page.getByRole("button", { name: "Rotate secret" }).click();
      assert.deepEqual(await faults(page, "rotate"), []);
      await dialog.getByRole("button", { name: "Rotate secret" }).click();
      const next = (await dialog.locator("pre").innerText()).trim();
      assert.notEqual(next, secret);
      await dialog.getByRole("button", { name: "I have stored it" }).click();
      await fact(page, "Old secret valid until").locator("time").waitFor();
      const before = hook.received.length;
      await createSession();
      await eventually("a delivery", async () => hook.received.length > before);
      for (const one of [secret, next]) assert.ok(isSigned(hook.received.at(-1), one));

      await page.getByRole("button", { name: "Edit" }).click();
      await dialog.getByLabel("On", { exact: true }).uncheck();
      await dialog.getByRole("button", { name: "Save" }).click();
      await notice(page, "The webhook has been changed.");
      await eventually("it is off", async () => /off/.test(await fact(page, "State").innerText()));
      await page.getByRole("button", { name: "Delete" }).click();
      await dialog.getByRole("button", { name: "Delete webhook" }).click();
      await page.waitForURL(/\/console\/webhooks$/);
      assert.equal(await page.getByRole("link", { name: hook.url }).count(), 0);
    });
    hook.close();
  },

  async "an agent is created, changed and deleted"() {
    await loggedIn(async (page) => {
      await page.goto(`${base}/console/agents`);
      await page.getByRole("button", { name: "New agent" }).click();
      const dialog = page.getByRole("dialog");
      assert.deepEqual(await faults(page, "new agent"), []);
      await dialog.getByLabel("Name").fill("Concierge");
      await dialog.getByLabel("Key").fill("not a key!");
      await dialog.getByRole("button", { name: "Create" }).click();
      // What is wrong is beside the field that it is about.
      await dialog.locator(".field").filter({ hasText: "Key" }).locator(".fault").waitFor();
      assert.deepEqual(await faults(page, "a fault in a form"), []);
      await dialog.getByLabel("Key").fill("concierge");
      await dialog.getByRole("button", { name: "Create" }).click();
      await page.getByRole("heading", { name: "Concierge" }).waitFor();
      await page.getByLabel("Responder").selectOption("openai");
      await page.getByLabel("Base URL").fill("https://models.example/v1");
      await page.getByLabel("Model", { exact: true }).fill("small");
      await page.getByRole("button", { name: "Save" }).click();
      await notice(page, "The agent has been changed.");
      await page.reload();
      await settled(page);
      assert.equal(await page.getByLabel("Model", { exact: true }).inputValue(), "small");
      await page.getByRole("button", { name: "Delete" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Delete agent" }).click();
      await notice(page, "The agent has been deleted.");
    });
  },

  async "settings and retention are changed"() {
    await loggedIn(async (page) => {
      await page.goto(`${base}/console/settings`);
      await settled(page);
      const name = await page.getByLabel("Name").inputValue();
      await page.getByLabel("Name").fill("Renamed");
      await page.getByRole("form", { name: "Settings of the organization" }).getByRole("button", { name: "Save" }).click();
      await notice(page, "The settings have been saved.");
      await page.getByRole("navigation", { name: "Pages" }).getByText("Renamed").waitFor();
      await call("PATCH", "/sessionary/v1/settings", { name });
      const retention = page.getByRole("form", { name: "Retention" });
      await retention.getByLabel("Messaging, in days").fill("36000");
      await retention.getByLabel(/Only show what/).check();
      await retention.getByRole("button", { name: "Save" }).click();
      await retention.getByText(/would be erased now/).waitFor();
      assert.deepEqual((await call("GET", "/sessionary/v1/retention")).rules, [], "a preview changes nothing");
      await retention.getByLabel(/Only show what/).uncheck();
      await retention.getByRole("button", { name: "Save" }).click();
      await notice(page, "The retention has been saved.");
      assert.deepEqual((await call("GET", "/sessionary/v1/retention")).rules, [{ dialect: "messaging", days: 36000 }]);
      await call("PUT", "/sessionary/v1/retention", { rules: [], legal_hold: false });
    });
  },

  async "usage is shown by day, dialect, agent and key"() {
    await loggedIn(async (page) => {
      for (const by of ["day", "dialect", "agent", "key"]) {
        await page.goto(`${base}/console/usage?by=${by}`);
        await page.locator("table.list tbody tr").first().waitFor();
        assert.match(await page.locator("table.list thead").innerText(), /sessions[\s\S]*events[\s\S]*requests[\s\S]*errors/i);
      }
      await page.getByLabel("From").fill("2020-01-01");
      await page.getByRole("button", { name: "Show" }).click();
      await page.locator(".failure").waitFor();
    });
  },

  async "the audit log is verified"() {
    await loggedIn(async (page) => {
      await page.goto(`${base}/console/audit`);
      await page.locator(".audit li").first().waitFor();
      await page.locator(".audit summary").first().click();
      await page.getByText("Hash").first().waitFor();
      assert.deepEqual(await faults(page, "an entry"), []);
      await page.getByRole("button", { name: "Verify" }).click();
      await page.getByText(/entries have been checked. None is missing or changed./).waitFor();
    });
  },

  async "an operator limits and disables an organization"() {
    const other = await organization("Limited");
    const its = { "x-api-key": other.key };
    await loggedIn(async (page) => {
      await page.getByRole("link", { name: "Organizations" }).click();
      await page.getByRole("button", { name: "New organization" }).click();
      const dialog = page.getByRole("dialog");
      assert.deepEqual(await faults(page, "new organization"), []);
      await dialog.getByLabel("Name").fill("Made in the console");
      await dialog.getByLabel("External id").fill(`org_${Date.now()}`);
      await dialog.getByRole("button", { name: "Create" }).click();
      await notice(page, "The organization has been created.");
      await page.getByText("Made in the console").waitFor();

      const edit = async (change) => {
        await page.getByRole("button", { name: "Edit Limited" }).click();
        await dialog.getByLabel("Storage quota, in bytes").waitFor();
        assert.deepEqual(await faults(page, "edit organization"), []);
        await change();
        await dialog.getByRole("button", { name: "Save" }).click();
        await dialog.waitFor({ state: "detached" });
      };
      await edit(async () => {
        await dialog.getByLabel("Storage quota, in bytes").fill("1000000");
        await dialog.getByLabel("Writes").first().fill("77");
      });
      await eventually("the limit is the organization's", async () => {
        const limits = await call("GET", "/sessionary/v1/limits", undefined, its);
        return limits.requests_per_minute.per_credential.writes === 77 && limits.storage.quota_bytes === 1_000_000;
      });
      await edit(() => dialog.getByLabel(/^Disabled/).check());
      await page.getByRole("row").filter({ hasText: "Limited" }).getByText("disabled").waitFor();
      await eventually("its key is rejected", async () => (await fetch(`${base}/sessionary/v1/me`, { headers: its })).status === 401);
      await edit(() => dialog.getByLabel(/^Disabled/).uncheck());
      await eventually("its key is valid again", async () => (await fetch(`${base}/sessionary/v1/me`, { headers: its })).ok);
      // An operator cannot lock itself out.
      await page.getByRole("button", { name: "Edit Demo organization" }).click();
      await dialog.getByLabel("Storage quota, in bytes").waitFor();
      assert.equal(await dialog.getByLabel(/^Disabled/).count(), 0);
    });
  },

  async "an operator sees the health of the deployment"() {
    const health = await call("GET", "/sessionary/v1/health");
    await loggedIn(async (page) => {
      await page.getByRole("link", { name: "Health" }).click();
      await settled(page);
      assert.equal((await fact(page, "Version").innerText()).trim(), health.version);
      assert.match(await fact(page, "Newest migration").innerText(), new RegExp(`^${health.newest_migration}$`));
      await fact(page, "Started").locator("time").waitFor();
      await fact(page, "Deliveries that are due").waitFor();
    });
  },
};
