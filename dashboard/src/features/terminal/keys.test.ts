import { expect, test } from "vitest";
import { ownKey, sequenceOf, withModifiers } from "./keys";

const none = { ctrl: false, alt: false };
const press = (init: KeyboardEventInit) => ownKey(new KeyboardEvent("keydown", init));

test("keys that people use in a shell stay the shell's", () => {
  for (const code of ["KeyC", "KeyW", "KeyR", "KeyF", "KeyK", "KeyD", "KeyZ", "KeyL", "Space"]) {
    expect(press({ code, key: code, ctrlKey: true })).toBeNull();
    expect(press({ code, key: code, altKey: true })).toBeNull();
  }
});

test("the chords that work inside of a terminal", () => {
  expect(press({ code: "Space", ctrlKey: true, shiftKey: true })).toBe("palette");
  expect(press({ code: "KeyE", ctrlKey: true, shiftKey: true })).toBe("release");
  expect(press({ code: "KeyF", ctrlKey: true, shiftKey: true })).toBe("search");
});

test("the extra keys of a phone send what a keyboard sends", () => {
  expect(sequenceOf("UP", none, false)).toBe("\x1b[A");
  expect(sequenceOf("UP", none, true)).toBe("\x1bOA");
  expect(sequenceOf("RIGHT", { ctrl: true, alt: false }, true)).toBe("\x1b[1;5C");
  expect(sequenceOf("PGDN", none, false)).toBe("\x1b[6~");
  expect(sequenceOf("ESC", none, false)).toBe("\x1b");
});

test("a sticky Ctrl makes a control character of the next one, and of nothing longer", () => {
  expect(withModifiers("c", { ctrl: true, alt: false })).toBe("\x03");
  expect(withModifiers("[", { ctrl: true, alt: false })).toBe("\x1b");
  expect(withModifiers("b", { ctrl: false, alt: true })).toBe("\x1bb");
  expect(withModifiers("cat file", { ctrl: true, alt: false })).toBe("cat file");
});
