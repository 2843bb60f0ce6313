// JSON as a stranger sends it: one object, its known members once each, whole numbers only.
// `JSON.parse` would let a doubled member or `1.0` through, and two readers would disagree.

import { fromUtf8, WireError } from "./bytes.ts";

/** The known members of an object, read by what they must be. */
export class JsonObject {
  private readonly members: ReadonlyMap<string, JsonValue>;
  private readonly what: string;

  constructor(members: ReadonlyMap<string, JsonValue>, what: string) {
    this.members = members;
    this.what = what;
  }

  u32(name: string): number {
    const value = this.members.get(name);
    if (value?.type !== "number" || !/^(0|[1-9]\d*)$/.test(value.text)) throw this.#shape(name);
    const number = Number(value.text);
    if (number > 0xffff_ffff) throw this.#shape(name);
    return number;
  }

  string(name: string): string {
    return text(this.members.get(name)) ?? fail(this.#shape(name));
  }

  /** An array of strings; empty when it was left out. */
  strings(name: string): string[] {
    return this.#items(name).map((item) => text(item) ?? fail(this.#shape(name)));
  }

  /** An array of pairs of strings; empty when it was left out. */
  pairs(name: string): [string, string][] {
    return this.#items(name).map((item) => {
      if (item.type !== "array" || item.items.length !== 2) throw this.#shape(name);
      const [first, second] = item.items.map(text);
      if (first === undefined || second === undefined) throw this.#shape(name);
      return [first, second];
    });
  }

  #items(name: string): readonly JsonValue[] {
    const value = this.members.get(name);
    if (value === undefined) return [];
    if (value.type !== "array") throw this.#shape(name);
    return value.items;
  }

  #shape(name: string): WireError {
    return new WireError(this.what, `its "${name}" is missing or has the wrong shape`);
  }
}

/** Reads one object; members that are not `known` are passed over, whatever they are. */
export function readJson(
  bytes: Uint8Array,
  what: string,
  limit: number,
  known: readonly string[],
): JsonObject {
  if (bytes.length > limit) {
    throw new WireError(what, `it has ${bytes.length} bytes, at most ${limit} are allowed`);
  }
  if (bytes[0] !== 0x7b) throw new WireError(what, "it is not a JSON object");
  const parser = new Parser(fromUtf8(bytes, what), what);
  const members = parser.object(known);
  parser.end();
  return new JsonObject(members, what);
}

type JsonValue =
  | { type: "string"; text: string }
  | { type: "number"; text: string }
  | { type: "array"; items: readonly JsonValue[] }
  | { type: "other" };

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids just these in a string.
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const WORD = /true|false|null/y;
/** Half a surrogate pair. */
const SURROGATE = /\p{Surrogate}/u;

class Parser {
  #at = 0;
  readonly #source: string;
  readonly #what: string;

  constructor(source: string, what: string) {
    this.#source = source;
    this.#what = what;
  }

  object(known: readonly string[]): Map<string, JsonValue> {
    const members = new Map<string, JsonValue>();
    this.#list("}", () => {
      const name = this.#name();
      if (SURROGATE.test(name)) throw this.#error("the name of a member is no text");
      if (!known.includes(name)) return this.#skip();
      if (members.has(name)) throw this.#error(`its "${name}" stands there twice`);
      members.set(name, this.#value(0));
    });
    return members;
  }

  end(): void {
    this.#match(SPACE);
    if (this.#at < this.#source.length) throw this.#error("something follows the object");
  }

  /** The value of a known member: no deeper than an array of arrays, which is all that any has. */
  #value(depth: number): JsonValue {
    this.#match(SPACE);
    const first = this.#source[this.#at];
    if (first === '"') return { type: "string", text: this.#string() };
    if (first === "[" && depth < 2) {
      const items: JsonValue[] = [];
      this.#list("]", () => items.push(this.#value(depth + 1)));
      return { type: "array", items };
    }
    const start = this.#at;
    this.#skip();
    const text = this.#source.slice(start, this.#at);
    return /^[-0-9]/.test(text) ? { type: "number", text } : { type: "other" };
  }

  /** Passes over a value, however deep it is nested. */
  #skip(): void {
    const ends: string[] = [];
    for (;;) {
      this.#match(SPACE);
      const first = this.#source[this.#at];
      if (first === "{" || first === "[") {
        this.#at++;
        ends.push(first === "{" ? "}" : "]");
        this.#match(SPACE);
        if (this.#source[this.#at] !== ends.at(-1)) {
          if (first === "{") this.#name();
          continue;
        }
      } else {
        this.#scalar();
      }
      if (!this.#closes(ends)) return;
    }
  }

  /** Behind a value: closes what ends here. Says whether another value follows. */
  #closes(ends: string[]): boolean {
    for (;;) {
      const end = ends.at(-1);
      if (end === undefined) return false;
      this.#match(SPACE);
      const next = this.#source[this.#at++];
      if (next === end) {
        ends.pop();
      } else {
        if (next !== ",") throw this.#error("its JSON is malformed");
        if (end === "}") this.#name();
        return true;
      }
    }
  }

  #scalar(): void {
    if (this.#source[this.#at] === '"') this.#string();
    else if (this.#match(NUMBER) === "" && this.#match(WORD) === "") {
      throw this.#error("its JSON is malformed");
    }
  }

  #list(end: string, item: () => void): void {
    this.#at++;
    this.#match(SPACE);
    if (this.#source[this.#at] === end) {
      this.#at++;
      return;
    }
    for (;;) {
      item();
      this.#match(SPACE);
      const next = this.#source[this.#at++];
      if (next === end) return;
      if (next !== ",") throw this.#error("its JSON is malformed");
    }
  }

  #name(): string {
    this.#match(SPACE);
    const name = this.#string();
    this.#match(SPACE);
    if (this.#source[this.#at++] !== ":") throw this.#error("its JSON is malformed");
    return name;
  }

  #string(): string {
    const literal = this.#match(STRING);
    if (literal === "") throw this.#error("its JSON is malformed");
    return JSON.parse(literal) as string;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  #error(why: string): WireError {
    return new WireError(this.#what, why);
  }
}

/** A string's text, if it is one. */
function text(value: JsonValue | undefined): string | undefined {
  return value?.type === "string" && !SURROGATE.test(value.text) ? value.text : undefined;
}

function fail(error: WireError): never {
  throw error;
}
