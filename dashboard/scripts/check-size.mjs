// Fails when what a first visit loads, without the terminal, is more than 150 KiB after gzip.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const LIMIT = 150 * 1024;
const dist = new URL("../dist/", import.meta.url).pathname;

const html = readFileSync(join(dist, "index.html"), "utf8");
const first = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map((match) => match[1]);
const sizes = ["index.html", ...first].map((file) => [
  file,
  gzipSync(readFileSync(join(dist, file)), { level: 9 }).length,
]);
const total = sizes.reduce((sum, [, size]) => sum + size, 0);

for (const [file, size] of sizes) console.log(`${String(size).padStart(8)}  ${file}`);
const later = readdirSync(join(dist, "assets")).filter((file) => !first.includes(`assets/${file}`));
console.log(
  `${String(total).padStart(8)}  in all, of at most ${LIMIT}; later: ${later.join(", ") || "nothing"}`,
);
if (first.some((file) => /terminal/.test(file))) fail("the terminal is loaded at the first visit");
if (total > LIMIT) fail(`the first visit loads ${total} bytes`);

function fail(why) {
  console.error(`check-size: ${why}`);
  process.exit(1);
}
