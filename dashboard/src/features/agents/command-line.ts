// Splits what a person typed into words, by the shell's rules of quoting and nothing else of a shell.

export type Split = { words: string[]; shellish: boolean } | { error: string };

/** `shellish`: outside of quotes there is something that only a shell would understand. */
export function splitCommand(line: string): Split {
  const words: string[] = [];
  let word: string | null = null;
  let quote: '"' | "'" | null = null;
  let shellish = false;
  for (let at = 0; at < line.length; at += 1) {
    const character = line.charAt(at);
    if (quote === "'") {
      if (character === "'") quote = null;
      else word += character;
    } else if (character === "\\") {
      const next = line.charAt(at + 1);
      if (next === "") return { error: "A backslash at the end escapes nothing." };
      word = (word ?? "") + (quote === '"' && !'"\\$`'.includes(next) ? `\\${next}` : next);
      at += 1;
    } else if (quote === '"') {
      if (character === '"') quote = null;
      else {
        shellish ||= character === "$" || character === "`";
        word += character;
      }
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= "";
    } else if (/\s/.test(character)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      shellish ||= "|&;<>()$`*?[#~".includes(character);
      word = (word ?? "") + character;
    }
  }
  if (quote !== null) return { error: `A quote ${quote} is not closed.` };
  if (word !== null) words.push(word);
  return { words, shellish };
}
