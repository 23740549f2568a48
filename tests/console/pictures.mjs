// The pictures of the documents: `tests/console/run pictures`.
import { base, call, logIn, open, settled } from "./support.mjs";
import { captured } from "./seed.mjs";

const IMAGES = new URL("../../docs/images/", import.meta.url).pathname;

const TALKS = [
  ["ana@example.com", [["Where is my parcel? It should have been here on Monday.", "It is at the depot in Lisbon and arrives today before 18:00."], ["Can someone else take it?", "Yes, anyone at your address can sign for it."]]],
  ["noor@example.com", [["\u0645\u0631\u062d\u0628\u0627\u060c \u0623\u062d\u062a\u0627\u062c \u0625\u0644\u0649 \u0645\u0633\u0627\u0639\u062f\u0629 \u0641\u064a \u0637\u0644\u0628\u064a", "\u0628\u0627\u0644\u062a\u0623\u0643\u064a\u062f\u060c \u0645\u0627 \u0631\u0642\u0645 \u0627\u0644\u0637\u0644\u0628\u061f"]]],
  ["li@example.com", [["Please cancel my subscription at the end of the month.", "Done. It ends on the 30th, and you keep access until then."]]],
];

const NAMES = ["Change of address", "Invoice 2026-114", "Planning a trip to Lisbon", "Password reset", "Delivery to a neighbour"];

export async function pictures() {
  for (const [user, turns] of TALKS) await captured(user, turns);
  for (const name of NAMES) {
    await call("POST", "/v2/agents/customer_support/sessions", { name, metadata: { priority: name.length % 2 ? "high" : "normal" } });
  }
  const talk = await call("GET", `/sessionary/v1/sessions?user_id=${encodeURIComponent(TALKS[0][0])}`);
  const pages = [
    ["console-overview", "/console/", "light"],
    ["console-sessions", "/console/sessions", "light"],
    ["console-session", `/console/sessions/${talk.data[0].id}`, "dark"],
  ];
  for (const [name, path, colorScheme] of pages) {
    const window = await open({ colorScheme, viewport: { width: 1200, height: 720 } });
    const page = await window.tab();
    await logIn(page, path);
    await settled(page);
    await page.waitForTimeout(500);
    await page.screenshot({ path: `${IMAGES}${name}.png` });
    await window.close();
  }
}
