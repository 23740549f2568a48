// Which page is shown, and to whom.
import { LocationProvider, Route, Router, useLocation } from "preact-iso";
import { useEffect, useErrorBoundary, useRef } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { Failure, Loading, PageHead } from "./ui/frame";
import { Notices, Shell } from "./ui/shell";
import { loadMe, me, startError } from "./state";
import { Login } from "./pages/login";
import { Overview } from "./pages/overview";
import { Sessions } from "./pages/sessions";
import { SessionPage } from "./pages/session";
import { Search } from "./pages/search";
import { UserPage, Users } from "./pages/users";
import { Erasures } from "./pages/erasures";
import { Agents } from "./pages/agents";
import { AgentPage } from "./pages/agent";
import { Imports } from "./pages/imports";
import { Usage } from "./pages/usage";
import { Keys } from "./pages/keys";
import { Webhooks } from "./pages/webhooks";
import { WebhookPage } from "./pages/webhook";
import { Audit } from "./pages/audit";
import { SettingsPage } from "./pages/settings";
import { Organizations } from "./pages/organizations";
import { Health } from "./pages/health";

export function App() {
  return (
    <LocationProvider scope="/console">
      <Guard>
        <Content />
      </Guard>
      <Notices />
    </LocationProvider>
  );
}

function Content() {
  if (startError.value && !me.value) {
    return (
      <main class="lonely">
        <h1>Sessionary</h1>
        <Failure error={startError.value} retry={() => void loadMe()} />
      </main>
    );
  }
  if (me.value === undefined) return <Loading />;
  if (me.value === null) return <Login />;
  return (
    <Shell>
      <Page />
    </Shell>
  );
}

/** A page that fails leaves the navigation working; another URL tries again. */
function Page() {
  const { path } = useLocation();
  const before = useRef(path);
  useEffect(() => {
    if (before.current === path) return;
    before.current = path;
    if (!location.hash) scrollTo(0, 0);
    // The keyboard and screen readers continue in the new page.
    document.getElementById("content")?.focus({ preventScroll: true });
  }, [path]);
  return (
    <Guard key={path}>
      <Router>
        <Route path="/console" component={Overview} />
        <Route path="/console/sessions" component={Sessions} />
        <Route path="/console/sessions/:id" component={SessionPage} />
        <Route path="/console/search" component={Search} />
        <Route path="/console/users" component={Users} />
        <Route path="/console/user" component={UserPage} />
        <Route path="/console/erasures" component={Erasures} />
        <Route path="/console/agents" component={Agents} />
        <Route path="/console/agents/:id" component={AgentPage} />
        <Route path="/console/import" component={Imports} />
        <Route path="/console/usage" component={Usage} />
        <Route path="/console/keys" component={Keys} />
        <Route path="/console/webhooks" component={Webhooks} />
        <Route path="/console/webhooks/:id" component={WebhookPage} />
        <Route path="/console/audit" component={Audit} />
        <Route path="/console/settings" component={SettingsPage} />
        <Route path="/console/organizations" component={Organizations} />
        <Route path="/console/health" component={Health} />
        <Route default component={Missing} />
      </Router>
    </Guard>
  );
}

function Missing() {
  return (
    <>
      <PageHead title="No such page" />
      <p>
        There is no page at this address. Go to the <a href="/console/">overview</a>.
      </p>
    </>
  );
}

function Guard({ children }: { children: ComponentChildren }) {
  const [error, reset] = useErrorBoundary((caught) => console.error(caught));
  if (!error) return <>{children}</>;
  return (
    <div class="failure" role="alert">
      <p>
        <strong>This page could not be shown.</strong> {error instanceof Error ? error.message : String(error)}
      </p>
      <button type="button" onClick={reset}>
        Try again
      </button>
    </div>
  );
}
