// Makes src/api/schema.ts of docs/openapi.json; without --write it compares, and fails at a difference.
import { readFileSync, writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";

const source = new URL("../../docs/openapi.json", import.meta.url);
const target = new URL("../src/api/schema.ts", import.meta.url);

const ast = await openapiTS(JSON.parse(readFileSync(source, "utf8")), {
  alphabetize: true,
  defaultNonNullable: false,
});
const text = `// Made from docs/openapi.json by \`npm run api\`; not to be edited.\n\n${astToString(ast)}`;

if (process.argv.includes("--write")) {
  writeFileSync(target, text);
} else if (read() !== text) {
  console.error("src/api/schema.ts is not what docs/openapi.json says. Make it anew: npm run api");
  process.exit(1);
}

function read() {
  try {
    return readFileSync(target, "utf8");
  } catch {
    return "";
  }
}
