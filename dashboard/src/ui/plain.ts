// Makes text of strangers fit to be shown in a line: nothing in it can act, hide or turn around.

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;
// Direction overrides and isolates, invisible separators, byte-order marks, tags.
const INVISIBLE = /[\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu;

/** Control characters become their pictures, invisible ones a mark; at most `limit` characters. */
export function plain(text: string, limit = 512): string {
  const shown = text.slice(0, limit).replace(CONTROL, picture).replace(INVISIBLE, "\ufffd");
  return text.length > limit ? `${shown}…` : shown;
}

function picture(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "\u2421" : "\ufffd";
}
