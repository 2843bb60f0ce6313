// @vitest-environment node
// The same bodies are read, and the same refused, as by every other reader.

import { expect, test } from "vitest";
import { hex, vectorFile } from "../testing/vectors.ts";
import { type Bytes, utf8 } from "../wire/bytes.ts";
import { readHead, readHello, readOpen, writeHead, writeHello, writeOpen } from "./body.ts";

interface Case {
  frame: "HELLO" | "OPEN" | "HEAD";
  text?: string;
  hex?: string;
  read: unknown;
}

const { cases } = vectorFile<{ cases: Case[] }>("bodies.json");

/** What a body says, in the names of the wire. */
const readers = {
  HELLO: (bytes: Bytes): unknown => readHello(bytes),
  OPEN(bytes: Bytes): unknown {
    const { method, path, fields } = readOpen(bytes);
    return { m: method, p: path, h: fields };
  },
  HEAD(bytes: Bytes): unknown {
    const { status, fields } = readHead(bytes);
    return { s: status, h: fields };
  },
};

test.each(cases.map((one) => ({ ...one, shown: (one.text ?? one.hex ?? "").slice(0, 60) })))(
  "$frame $shown",
  ({ frame, text, hex: bytes, read }) => {
    const body = text === undefined ? hex(bytes ?? "") : utf8(text);
    if (read === null) expect(() => readers[frame](body)).toThrow();
    else expect(readers[frame](body)).toEqual(read);
  },
);

test("what is written is what is read", () => {
  const fields = [["a", "b"] as const];
  expect(readHello(writeHello({ min: 1, max: 2, features: ["a"] })).features).toEqual(["a"]);
  expect(readOpen(writeOpen({ method: "GET", path: "/", fields })).fields).toEqual(fields);
  expect(readHead(writeHead({ status: 204, fields })).status).toBe(204);
});

test("a request that could smuggle a line never leaves", () => {
  for (const value of ["a\r\nb: c", "\0", "ä"]) {
    expect(() => writeOpen({ method: "GET", path: "/", fields: [["n", value]] })).toThrow();
  }
  for (const path of ["", "a", "/ ", "/#", "/ä", `/${"x".repeat(4_096)}`]) {
    expect(() => writeOpen({ method: "GET", path, fields: [] })).toThrow();
  }
  const fields = Array.from({ length: 65 }, () => ["a", "b"] as const);
  expect(() => writeOpen({ method: "GET", path: "/", fields })).toThrow();
  expect(() =>
    writeOpen({ method: "GET", path: "/", fields: [["a", "x".repeat(8_192)]] }),
  ).toThrow();
});
