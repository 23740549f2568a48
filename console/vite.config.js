import { defineConfig } from "vite";

export default defineConfig({
  base: "/console/",
  build: {
    // Browsers that know light-dark(): all of them since May 2024.
    target: ["chrome123", "firefox120", "safari17.5"],
    // No data: URLs, because the content security policy forbids them.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { "/sessionary": "http://127.0.0.1:3000" },
  },
});
