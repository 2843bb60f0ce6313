// How the dashboard is built: static files with hashed names in dist/, which both binaries embed.
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    // The browsers of the last two and a half years; nothing is polyfilled.
    target: "baseline-widely-available",
    modulePreload: { polyfill: false },
    // A data: URL would need a hole in the content security policy.
    assetsInlineLimit: 0,
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [{ name: "terminal", test: /node_modules\/@xterm\/(?!addon-webgl)/ }],
        },
      },
    },
  },
  worker: { format: "es" },
  server: { port: 5173, strictPort: true },
});
