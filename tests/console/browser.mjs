// Runs the steps, all or those named, one after another. A failed step has a screenshot.
import { close, SCREENSHOTS } from "./support.mjs";
import { seed } from "./seed.mjs";
import { steps } from "./steps.mjs";

const wanted = process.argv.slice(2);
const seeded = await seed();
let failed = 0;
for (const [name, step] of Object.entries(steps)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const began = Date.now();
  try {
    await step(seeded);
    console.log(`ok   ${name} (${Date.now() - began} ms)`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}: ${error.stack ?? error}`);
  }
}
await close();
console.log(failed === 0 ? `the console works; its pages are in ${SCREENSHOTS}` : `${failed} steps failed`);
process.exit(failed === 0 ? 0 : 1);
