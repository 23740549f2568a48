// Forms: fields with labels, errors beside the field that causes them, one submission at a time.
import { createContext, type ComponentChildren, type TargetedSubmitEvent } from "preact";
import { useContext, useEffect, useId, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/client";
import { describe } from "../state";

interface FormState {
  error: unknown;
  busy: boolean;
}

const FormContext = createContext<FormState>({ error: null, busy: false });

/** The values of a form; every text is trimmed. */
export class Values {
  constructor(private readonly data: FormData) {}
  text(name: string): string {
    return String(this.data.get(name) ?? "").trim();
  }
  optional(name: string): string | null {
    return this.text(name) || null;
  }
  all(name: string): string[] {
    return this.data.getAll(name).map(String);
  }
  /** Returns the chosen file; `null` if there is none. */
  file(name: string): File | null {
    const file = this.data.get(name);
    return file instanceof File && (file.name !== "" || file.size > 0) ? file : null;
  }
  has(name: string): boolean {
    return this.data.has(name);
  }
}

export function Form({ submit, children, label, class: className }: {
  submit: (values: Values) => Promise<unknown>;
  children: ComponentChildren;
  label?: string;
  class?: string;
}) {
  const [state, setState] = useState<FormState>({ error: null, busy: false });
  const shown = useRef(true);
  useEffect(() => () => void (shown.current = false), []);
  const onSubmit = async (event: TargetedSubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (state.busy) return;
    const values = new Values(new FormData(event.currentTarget));
    setState({ error: null, busy: true });
    let error: unknown = null;
    try {
      await submit(values);
    } catch (caught) {
      error = caught;
    }
    if (shown.current) setState({ error, busy: false });
  };
  return (
    <FormContext.Provider value={state}>
      <form onSubmit={onSubmit} aria-label={label} class={className} noValidate={false}>
        {children}
        {state.error !== null && (
          <p class="form-error" role="alert">
            {describe(state.error)}
          </p>
        )}
      </form>
    </FormContext.Provider>
  );
}

function useFieldError(name: string): string | undefined {
  const { error } = useContext(FormContext);
  return error instanceof ApiError ? error.of(name) : undefined;
}

interface FieldProps {
  name: string;
  label: string;
  hint?: string;
}

interface TextProps extends FieldProps {
  defaultValue?: string;
  required?: boolean;
  placeholder?: string;
  maxLength?: number;
  dir?: "ltr" | "auto";
  spellcheck?: boolean;
}

interface InputProps extends TextProps {
  type?: "text" | "search" | "password" | "url" | "number" | "date" | "datetime-local" | "file";
  accept?: string;
  autocomplete?: "off" | "current-password";
  autocapitalize?: "off";
  autofocus?: boolean;
  pattern?: string;
  min?: number;
}

function Labelled({ name, label, hint, children }: FieldProps & {
  children: (attributes: { id: string; name: string; "aria-describedby": string | undefined; "aria-invalid": boolean }) => ComponentChildren;
}) {
  const id = useId();
  const fault = useFieldError(name);
  const described = [hint && `${id}-hint`, fault && `${id}-fault`].filter(Boolean).join(" ") || undefined;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, name, "aria-describedby": described, "aria-invalid": fault !== undefined })}
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {fault && (
        <p class="fault" id={`${id}-fault`}>
          {fault}
        </p>
      )}
    </div>
  );
}

// Preact has a type for each type of input; here it is any of several, hence `object`.
export function Field({ name, label, hint, ...input }: InputProps) {
  return (
    <Labelled name={name} label={label} {...(hint && { hint })}>
      {(attributes) => <input dir="auto" autocomplete="off" {...(input as object)} {...attributes} />}
    </Labelled>
  );
}

export function TextArea({ name, label, hint, ...input }: TextProps & { rows?: number; class?: string }) {
  return (
    <Labelled name={name} label={label} {...(hint && { hint })}>
      {(attributes) => <textarea dir="auto" rows={4} {...input} {...attributes} />}
    </Labelled>
  );
}

export function Select({ name, label, hint, options, value, onChange }: FieldProps & {
  options: readonly (readonly [string, string])[];
  value?: string;
  onChange?: (value: string) => void;
}) {
  return (
    <Labelled name={name} label={label} {...(hint && { hint })}>
      {(attributes) => (
        <select {...attributes} onChange={(event) => onChange?.(event.currentTarget.value)}>
          {options.map(([key, text]) => (
            <option value={key} selected={key === value}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Labelled>
  );
}

export function Check({ name, label, value, checked, onChange }: {
  name: string;
  label: ComponentChildren;
  value?: string;
  checked?: boolean;
  onChange?: (checked: boolean) => void;
}) {
  return (
    <label class="check">
      <input
        type="checkbox"
        name={name}
        value={value ?? "on"}
        defaultChecked={checked ?? false}
        onChange={(event) => onChange?.(event.currentTarget.checked)}
      />
      <span>{label}</span>
    </label>
  );
}

export function Submit({ children, danger }: { children: ComponentChildren; danger?: boolean }) {
  const { busy } = useContext(FormContext);
  return (
    <button type="submit" class={danger ? "danger" : "primary"} disabled={busy} aria-busy={busy}>
      {children}
    </button>
  );
}

export function FormActions({ cancel, children }: { cancel?: () => void; children: ComponentChildren }) {
  return (
    <div class="form-actions">
      {cancel && (
        <button type="button" class="ghost" onClick={cancel}>
          Cancel
        </button>
      )}
      {children}
    </div>
  );
}

/** Asks before something that cannot be undone; with `word`, the reader types it first. */
export function ConfirmBody({ children, action, submit, cancel, word }: {
  children: ComponentChildren;
  action: string;
  submit: () => Promise<unknown>;
  cancel: () => void;
  word?: string;
}) {
  return (
    <Form submit={submit}>
      {children}
      {word && <Field name="word" label={`Type “${word}” to confirm`} required pattern={word} autocapitalize="off" />}
      <FormActions cancel={cancel}>
        <Submit danger>{action}</Submit>
      </FormActions>
    </Form>
  );
}
