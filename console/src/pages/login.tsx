import { useTitle } from "../hooks";
import { login, loginReason } from "../state";
import { Field, Form, FormActions, Submit } from "../ui/form";

export function Login() {
  useTitle("Log in");
  return (
    <main class="lonely" id="content">
      <h1>Sessionary</h1>
      <p class="lead">Every conversation of your agents, in one place.</p>
      {loginReason.value && (
        <p class="reason" role="alert">
          {loginReason.value}
        </p>
      )}
      <Form
        label="Log in"
        submit={(values) => {
          const credential = values.text("credential");
          // A JSON Web Token begins with the base64 of `{"`.
          return login(credential.startsWith("eyJ") ? { token: credential } : { key: credential });
        }}
      >
        <Field
          name="credential"
          label="API key, or token of your identity provider"
          type="password"
          required
          autofocus
          dir="ltr"
          spellcheck={false}
          autocapitalize="off"
          autocomplete="current-password"
        />
        <FormActions>
          <Submit>Log in</Submit>
        </FormActions>
      </Form>
      <details>
        <summary>Where do I get a key?</summary>
        <p>
          The first start of the service prints a link that logs you in, and the demo organization's key. For other
          organizations, run <code>sessionary key create</code> on the server, or ask someone who may manage keys.
        </p>
      </details>
    </main>
  );
}
