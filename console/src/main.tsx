import { render } from "preact";
import { App } from "./app";
import { login, loadMe, loginReason, me } from "./state";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/parts.css";
import "./styles/tables.css";
import "./styles/forms.css";
import "./styles/conversation.css";

/** Logs in with the one-time link of the service's first start, whose secret is in the fragment. */
async function start(): Promise<void> {
  const once = /^#once=(.+)$/.exec(location.hash)?.[1];
  if (once === undefined) return loadMe();
  history.replaceState(null, "", location.pathname + location.search);
  try {
    await login({ once: decodeURIComponent(once) });
  } catch {
    await loadMe();
    if (!me.value) loginReason.value = "This link was used already or is older than a minute. Log in with an API key, which `sessionary key create` makes.";
  }
}

const root = document.getElementById("app");
if (root) render(<App />, root);
void start();
