// Environment variables as lines of text.

export type ParsedEnv = { env: Record<string, string> } | { error: string };

export function parseEnv(text: string): ParsedEnv {
  const env: Record<string, string> = {};
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const at = line.indexOf("=");
    if (at < 1) return { error: `Line ${index + 1} is not NAME=value.` };
    const name = line.slice(0, at).trim();
    if (Object.hasOwn(env, name)) return { error: `${name} is there twice.` };
    env[name] = line.slice(at + 1);
  }
  return { env };
}
