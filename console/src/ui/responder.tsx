// The form of what replies to an agent's messages.
import { useState } from "preact/hooks";
import type { NewResponder, Responder } from "../api/schema";
import { Field, Select, TextArea, type Values } from "./form";
import { Code, Foreign } from "./text";

const KINDS = [
  ["none", "None: messages are stored, no one replies"],
  ["echo", "Echo: the user's own text"],
  ["openai", "A model with OpenAI's chat completions API"],
  ["webhook", "A webhook: a program of yours"],
] as const;

export function ResponderFields({ responder, inherit, label }: {
  responder: Responder | null | undefined;
  inherit?: boolean;
  label?: string;
}) {
  const [kind, setKind] = useState<string>(inherit && (responder?.is_default ?? true) ? "" : (responder?.kind ?? "none"));
  return (
    <>
      <Select
        name="kind"
        label={label ?? "Responder"}
        value={kind}
        options={inherit ? [["", "The organization's default"], ...KINDS] : KINDS}
        onChange={setKind}
      />
      {kind === "openai" && (
        <>
          <Field name="base_url" label="Base URL" type="url" required dir="ltr" placeholder="https://api.openai.com/v1" defaultValue={responder?.base_url ?? ""} />
          <Field name="model" label="Model" required dir="ltr" defaultValue={responder?.model ?? ""} />
          <SecretHint responder={responder} what="key" />
          <TextArea name="system_prompt" label="System prompt" defaultValue={responder?.system_prompt ?? ""} />
          <Field
            name="context_tokens"
            label="Context, in tokens"
            type="number"
            min={1}
            defaultValue={String(responder?.context_tokens ?? 8000)}
          />
        </>
      )}
      {kind === "webhook" && (
        <>
          <Field name="url" label="URL" type="url" required dir="ltr" placeholder="https://agent.example.com/reply" defaultValue={responder?.url ?? ""} />
          <SecretHint responder={responder} what="signing secret" />
        </>
      )}
    </>
  );
}

function SecretHint({ responder, what }: { responder: Responder | null | undefined; what: string }) {
  return (
    <p class="hint">
      {responder?.has_secret ? `The deployment has a ${what} for this address.` : `The deployment has no ${what} for it.`} Only the
      operator sets one, with <code>sessionary agent</code> or <code>sessionary org responder</code>.
    </p>
  );
}

/** Whether two responders are the same, as far as this API shows them. */
export function isSame(a: Responder | null | undefined, b: NewResponder | null): boolean {
  const shown = (one: Responder | NewResponder | null | undefined) =>
    one ? JSON.stringify([one.kind, one.base_url, one.model, one.system_prompt || null, one.context_tokens, one.url]) : "";
  return shown(a) === shown(b);
}

/** Returns the responder that the form describes; `null` for the organization's default. */
export function readResponder(values: Values): NewResponder | null {
  const kind = values.text("kind");
  if (kind === "openai") {
    return {
      kind,
      base_url: values.text("base_url"),
      model: values.text("model"),
      ...(values.text("system_prompt") && { system_prompt: values.text("system_prompt") }),
      context_tokens: Number(values.text("context_tokens")) || 8000,
    };
  }
  if (kind === "webhook") {
    return { kind, url: values.text("url") };
  }
  return kind === "" ? null : { kind };
}

export function ResponderText({ responder }: { responder: Responder | null | undefined }) {
  if (!responder) return <span class="quiet">default</span>;
  if (responder.is_default) return <span class="quiet">default ({responder.kind})</span>;
  if (responder.kind === "openai") return <Foreign>{responder.model}</Foreign>;
  if (responder.kind === "webhook") return <Code>{responder.url}</Code>;
  return <>{responder.kind}</>;
}
