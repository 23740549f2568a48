// Reading conversations, live and found; ending, exporting, importing and erasing them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { base, call, demo, eventually, faults, organization, settled } from "../support.mjs";
import { captured, capture, AGENT, USER } from "../seed.mjs";
import { bubble, fact, idOf, loggedIn, notice } from "./shared.mjs";

/** Downloads what a link or a button offers. Returns its text. */
async function downloaded(page, control) {
  const [download] = await Promise.all([page.waitForEvent("download"), control.click()]);
  return readFileSync(await download.path(), "utf8");
}

const tile = (page, name) => page.locator(".tiles li").filter({ hasText: name }).locator(".number");

export const sessions = {
  async "the overview shows rates, errors and open sessions"() {
    const failed = await fetch(`${base}/sessionary/v1/sessions/none`, { headers: { "x-api-key": demo.api_key } });
    assert.equal(failed.status, 404);
    await loggedIn(async (page) => {
      for (const name of ["Sessions", "Events", "Requests", "Errors"]) {
        await eventually(`${name} are counted`, async () => {
          await page.reload();
          await tile(page, name).first().waitFor();
          return Number((await tile(page, name).first().innerText()).replace(/\D/g, "")) > 0;
        });
      }
      await page.locator(".chart canvas").nth(1).waitFor();
      const open = page.locator(".bars li").filter({ hasText: "Messaging" });
      assert.match(await open.innerText(), /[1-9]/);
      await page.getByRole("link", { name: "7 days" }).click();
      await page.waitForURL(/days=7/);
      // The numbers of a chart are a table as well.
      await page.locator(".chart summary").first().click();
      assert.equal(await page.locator(".chart table tbody tr").count(), 14);
      await page.locator(".bars").getByRole("link", { name: "Agntix" }).click();
      await page.waitForURL(/dialect=agntix&state=open/);
    });
  },

  async "filters are in the address"() {
    await loggedIn(async (page) => {
      await page.goto(`${base}/console/sessions`);
      await settled(page);
      const all = await page.locator("tbody tr").count();
      await page.getByLabel("Dialect").selectOption("agent_key");
      await page.waitForURL(/dialect=agent_key/);
      await settled(page);
      const some = await page.locator("tbody tr").count();
      assert.ok(some > 0 && some < all, `${some} of ${all}`);
      assert.equal(await page.locator("tbody .tag.dialect:not(.agent_key)").count(), 0);
      await page.reload();
      await settled(page);
      assert.equal(await page.locator("tbody tr").count(), some);
      assert.equal(await page.getByLabel("Dialect").inputValue(), "agent_key");

      await page.getByText("More filters").click();
      await page.getByLabel("Metadata").fill("priority = 'high'");
      await page.getByRole("button", { name: "Apply" }).click();
      await page.getByRole("link", { name: "Refund for order 4417" }).waitFor();
      await eventually("one session", async () => (await page.locator("tbody tr").count()) === 1);
      await page.getByLabel("Metadata").fill("priority =");
      await page.getByRole("button", { name: "Apply" }).click();
      await page.locator(".failure").waitFor();
      assert.equal(await page.getByLabel("Metadata").inputValue(), "priority =");
      await page.goBack();
      await page.getByRole("link", { name: "Refund for order 4417" }).waitFor();
      await page.getByRole("link", { name: "Clear all filters" }).click();
      await eventually("all sessions", async () => (await page.locator("tbody tr").count()) === all);

      // A user's sessions of one dialect.
      await page.goto(`${base}/console/sessions?user_id=${USER}&dialect=agnost`);
      await settled(page);
      assert.ok((await page.locator("tbody tr").count()) > 0);
    });
  },

  async "a search leads to the message"() {
    await loggedIn(async (page) => {
      await page.getByLabel("Search all conversations").fill("voucher");
      await page.keyboard.press("Enter");
      await page.waitForURL(/search\?q=voucher/);
      const hit = page.locator(".hits li").first();
      await hit.locator("mark", { hasText: "voucher" }).first().waitFor();
      await hit.locator("a.session-name").click();
      await page.waitForURL(/#event-\d+/);
      await page.locator(".event.wanted").filter({ hasText: "voucher" }).waitFor();
    });
  },

  async "a session shows all that is known of it"(seeded) {
    await loggedIn(async (page) => {
      await page.goto(`${base}/console/sessions/${await idOf(seeded.tools)}`);
      const tool = page.locator(".bubble.tool details.tool").first();
      await tool.waitFor();
      assert.equal(await tool.getAttribute("open"), null, "a tool call is folded");
      assert.equal(await tool.locator("pre").first().isVisible(), false);
      await tool.locator("summary").click();
      await tool.getByText("4417").first().waitFor();
      await page.locator("details.raw summary").first().click();
      const raw = JSON.parse(await page.locator("details.raw pre").first().innerText());
      assert.equal(raw.number, 1);
      await page.getByText("Raw session").click();
      assert.equal(JSON.parse(await page.getByLabel("Session as JSON").innerText()).vendor_id, seeded.tools);
      assert.match(await page.getByRole("region", { name: "curl line" }).innerText(), new RegExp(seeded.tools));

      await page.goto(`${base}/console/sessions/${await idOf(seeded.messaging)}`);
      assert.equal((await fact(page, "Vendor's id").innerText()).trim(), seeded.messaging);
      assert.notEqual((await fact(page, "Expires").innerText()).trim(), "Never");
      assert.match(await fact(page, "Renewal count").innerText(), /^[1-9]/);
      // The line that reads it does what it says.
      const line = await page.getByRole("region", { name: "curl line" }).innerText();
      const path = /'(http\S+)'/.exec(line)[1];
      const read = await fetch(path, { headers: { "x-api-key": demo.api_key } });
      assert.equal((await read.json()).sessionId, seeded.messaging);
    });
  },

  async "a session is changed and ended"() {
    const created = await call("POST", "/v1/chat/chat/sessions", { agentId: AGENT, platform: "SDK" });
    const id = await idOf(created.id);
    await loggedIn(async (page, window) => {
      await page.goto(`${base}/console/sessions/${id}`);
      await page.getByRole("button", { name: "Edit" }).click();
      const dialog = page.getByRole("dialog");
      assert.deepEqual(await faults(page, "edit"), []);
      await dialog.getByLabel("Metadata").fill("{not json");
      await dialog.getByRole("button", { name: "Save" }).click();
      await dialog.getByText("The metadata is not valid JSON.").waitFor();
      await dialog.getByLabel("Metadata").fill('{"tier": 2}');
      await dialog.getByLabel("Name").fill("Named in the console");
      // Another tab was faster: nothing is overwritten.
      await call("PATCH", `/sessionary/v1/sessions/${id}`, { description: "changed elsewhere" });
      await dialog.getByRole("button", { name: "Save" }).click();
      await dialog.getByText("changed by someone else").waitFor();
      await page.keyboard.press("Escape");
      await page.reload();
      await page.getByRole("button", { name: "Edit" }).click();
      await dialog.getByLabel("Name").fill("Named in the console");
      await dialog.getByRole("button", { name: "Save" }).click();
      await page.getByRole("heading", { name: "Named in the console" }).waitFor();

      const other = await window.tab();
      await other.goto(`${base}/console/sessions/${id}`);
      await other.locator(".live.open").first().waitFor();
      await page.getByText("Add a message").click();
      await page.getByLabel("Text").fill("Added in the console");
      await page.getByRole("button", { name: "Add", exact: true }).click();
      await bubble(page, "Added in the console").waitFor();
      await bubble(other, "Added in the console").waitFor();
      await page.getByRole("button", { name: "End" }).click();
      await dialog.getByRole("button", { name: "End session" }).click();
      await notice(page, "The session has ended.");
      for (const tab of [page, other]) {
        await eventually("it has ended", async () => /Ended/.test(await fact(tab, "State").innerText()));
        await eventually("nothing can be added", async () => (await tab.getByText("Add a message").count()) === 0);
      }
    });
  },

  async "a session whose dialect deletes is deleted"() {
    const created = await call("POST", "/v2/agents/customer_support/sessions", { name: "To be deleted" });
    const id = await idOf(created.key);
    await loggedIn(async (page) => {
      await page.goto(`${base}/console/sessions/${id}`);
      assert.equal(await page.getByRole("button", { name: "End" }).count(), 0);
      await page.getByRole("button", { name: "Delete" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Delete session" }).click();
      await notice(page, "The session has been deleted.");
      await page.waitForURL(/\/console\/sessions$/);
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
      await page.goto(`${base}/console/agents/${AGENT}`);
      await page.getByLabel("Message").fill("Hello there");
      await page.getByRole("button", { name: "Send" }).click();
      await page.locator(".bubble.assistant").filter({ hasText: "Hello there" }).waitFor();
      await page.getByRole("button", { name: "Start over" }).click();
      await page.getByText("Talk to the agent.").waitFor();
    });
  },

  async "an export arrives whole"() {
    await loggedIn(async (page) => {
      await page.goto(`${base}/console/sessions`);
      await page.getByRole("button", { name: "Export" }).click();
      assert.deepEqual(await faults(page, "export"), []);
      const lines = (await downloaded(page, page.getByRole("link", { name: "Download JSONL" }))).trim().split("\n");
      assert.ok(lines.length >= 5, `${lines.length} lines`);
      for (const line of lines) JSON.parse(line);
      const csv = await downloaded(page, page.getByRole("link", { name: "Download CSV" }));
      assert.ok(csv.trim().split("\n").length > lines.length, "a row for each event");
      await page.keyboard.press("Escape");

      // The filters of the list are those of the export.
      await page.goto(`${base}/console/sessions?agent_id=${AGENT}`);
      await page.getByRole("button", { name: "Export" }).click();
      const filtered = (await downloaded(page, page.getByRole("link", { name: "Download JSONL" }))).trim().split("\n");
      assert.ok(filtered.length >= 1 && filtered.length < lines.length, `${filtered.length} of ${lines.length}`);
      for (const line of filtered) assert.equal(JSON.parse(line).session.agent.id, AGENT);

      await page.goto(`${base}/console/user?id=${USER}`);
      await page.getByRole("button", { name: "Export" }).click();
      const own = (await downloaded(page, page.getByRole("link", { name: "Download JSONL" }))).trim().split("\n");
      for (const line of own) assert.equal(JSON.parse(line).session.user_id, USER);

      await page.goto(`${base}/console/sessions/${JSON.parse(own[0]).id}`);
      const one = JSON.parse(await downloaded(page, page.getByRole("button", { name: "Export" })));
      assert.equal(one.events.length, one.session.last_event_number);
    });
  },

  async "an import shows what it did by line"() {
    const other = await organization("Imported");
    const exported = await fetch(`${base}/sessionary/v1/exports`, { headers: { "x-api-key": demo.api_key } });
    const text = await exported.text();
    const lines = text.trim().split("\n").length;
    const broken = text.replace("\n", '\n{"id": "nonsense"}\nno JSON at all\n');
    await loggedIn(
      async (page) => {
        await page.goto(`${base}/console/import`);
        const run = async (name, buffer, { dry = false } = {}) => {
          await page.getByLabel(/Lines of JSON/).setInputFiles({ name, mimeType: "application/x-ndjson", buffer: Buffer.from(buffer) });
          await page.getByRole("checkbox", { name: /Dry run/ }).setChecked(dry);
          await page.getByRole("button", { name: "Import" }).click();
          await page.locator(".card").filter({ hasText: "% of the file" }).getByText("complete").waitFor({ timeout: 60_000 });
          const numbers = [];
          for (const title of ["reated", "Existing", "Rejected"]) numbers.push(Number(await tile(page, title).first().innerText()));
          return numbers;
        };
        assert.deepEqual(await run("dry.jsonl", text, { dry: true }), [lines, 0, 0]);
        assert.equal((await call("GET", "/sessionary/v1/sessions", undefined, { "x-api-key": other.key })).data.length, 0);
        assert.deepEqual(await run("broken.jsonl", broken), [lines, 0, 2]);
        await page.getByRole("row").filter({ hasText: "The line is not of an export" }).first().waitFor();
        const rows = await page.locator("tbody tr").allInnerTexts();
        assert.deepEqual(rows.map((row) => row.trim().split(/\s/)[0]), ["2", "3"]);
        assert.deepEqual(await faults(page, "imported"), []);
        assert.deepEqual(await run("again.jsonl.gz", gzipSync(text)), [0, lines, 0]);
        const again = await fetch(`${base}/sessionary/v1/exports`, { headers: { "x-api-key": other.key } });
        const ids = (body) => body.trim().split("\n").map((line) => JSON.parse(line).id);
        assert.deepEqual(ids(await again.text()), ids(text));
        await page.goto(`${base}/console/sessions`);
        await page.locator("tbody tr").first().waitFor();
      },
      { credential: other.key },
    );
  },

  async "an erasure has a receipt"() {
    const session = await captured("forgotten", [["forget me", "of course"]]);
    const id = await idOf(session);
    await captured("person-to-forget", [["my name is Ada", "hello Ada"]]);
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

      await page.goto(`${base}/console/user?id=person-to-forget`);
      await page.locator("tbody tr").first().waitFor();
      await page.getByRole("button", { name: "Erase" }).click();
      await dialog.getByLabel(/to confirm/).fill("erase");
      await dialog.getByRole("button", { name: "Erase for good" }).click();
      await dialog.getByText("Store this proof now").waitFor();
      await dialog.getByRole("button", { name: "Done" }).click();
      await eventually("the user is gone", async () => {
        await page.reload();
        await settled(page);
        return page.getByText("No session belongs to this user.").isVisible();
      });
      await page.goto(`${base}/console/erasures`);
      // What was in progress at the request is erased five minutes later; until then it is settling.
      for (const row of [0, 1]) {
        await eventually("it is erased", async () => {
          await page.reload();
          await settled(page);
          return /settling|done/.test(await page.locator("tbody tr").nth(row).innerText());
        });
      }
    });
  },
};
