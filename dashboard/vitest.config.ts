// Three kinds of tests: `unit` beside the code, `e2e` in a real browser against real programs, and
// `bench`, which measures there.
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

/** One browser and one set of programs at a time: two cores are all there is. */
const ALONE = {
  environment: "node",
  fileParallelism: false,
  testTimeout: 120_000,
  hookTimeout: 120_000,
} as const;

export default defineConfig({
  test: {
    projects: [
      {
        plugins: [react()],
        test: {
          name: "unit",
          environment: "happy-dom",
          include: ["src/**/*.test.{ts,tsx}"],
          testTimeout: 20_000,
        },
      },
      { test: { ...ALONE, name: "e2e", include: ["e2e/**/*.test.ts"] } },
      { test: { ...ALONE, name: "bench", include: ["bench/**/*.test.ts"] } },
    ],
  },
});
