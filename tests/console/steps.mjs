// What users do, by the names under which `run` takes them.
import { administration } from "./steps/administration.mjs";
import { login } from "./steps/login.mjs";
import { everywhere } from "./steps/pages.mjs";
import { sessions } from "./steps/sessions.mjs";
import { speed } from "./steps/speed.mjs";

export const steps = { ...login, ...sessions, ...administration, ...everywhere, ...speed };
