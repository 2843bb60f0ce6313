// The one place where text becomes the address of code. The page's policy knows no other.

interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL(url: string): string },
  ): {
    createScriptURL(url: string): string;
  };
}

// The name is in the content security policy that both programs send.
const NAME = "gantline";
const types = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes;
const policy = types?.createPolicy(NAME, { createScriptURL: ownScript });

/** The address of a script of this build, which a worker may be made of. */
export function scriptUrl(url: string): string {
  return policy === undefined ? ownScript(url) : policy.createScriptURL(url);
}

function ownScript(url: string): string {
  const { origin, pathname } = new URL(url, location.href);
  if (origin !== location.origin || !/^\/(assets|src)\//.test(pathname)) {
    throw new TypeError("not a script of this page");
  }
  return url;
}
