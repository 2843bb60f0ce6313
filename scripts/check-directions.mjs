// Checks that dependencies between the workspace's packages point one way.
//
//   node scripts/check-directions.mjs               the workspace as it is
//   node scripts/check-directions.mjs --self-test   planted faults, each of which must be found
//
// The graph is cargo's own, with all features on. Cargo unifies features over the whole workspace,
// so a path found here may need a feature that another member turns on; that is still a path that
// a build of the workspace takes.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

// Who may depend on whom, by normal and build dependencies. Dev-dependencies are free.
const ALLOWED = {
  "gantline-protocol": [],
  "gantline-login": ["gantline-protocol"],
  "gantline-transport": ["gantline-login", "gantline-protocol"],
  "gantline-crypto": ["gantline-login", "gantline-protocol"],
  "gantline-client": [
    "gantline-transport",
    "gantline-crypto",
    "gantline-login",
    "gantline-protocol",
  ],
  // Files and how a browser is given them; it knows nothing of what they say.
  "gantline-dashboard": [],
  "gantline-relay": [
    "gantline-dashboard",
    "gantline-transport",
    "gantline-login",
    "gantline-protocol",
  ],
  "gantline-node": [
    "gantline-client",
    "gantline-dashboard",
    "gantline-transport",
    "gantline-crypto",
    "gantline-login",
    "gantline-protocol",
  ],
};

// Packages that only test the others. They may use all of them; none of them may use these.
const TEST_PACKAGES = ["gantline-fuzz", "gantline-tests"];

const IO_CRATES = [
  "async-fs",
  "async-io",
  "async-net",
  "async-std",
  "axum",
  "h2",
  "hyper",
  "hyper-util",
  "mio",
  "polling",
  "portable-pty",
  "quinn",
  "quinn-proto",
  "quinn-udp",
  "reqwest",
  "rusqlite",
  "smol",
  "socket2",
  "sqlx",
  "tokio",
  "tungstenite",
  "ureq",
];

const PURE = "takes bytes and returns bytes, so that it can be tested and fuzzed without a network";

// What must not be reached by normal dependencies, however long the way.
const UNREACHABLE = [
  {
    from: "gantline-relay",
    targets: ["gantline-crypto"],
    why: "the relay is blind, and having no session code is how anyone can see that it is",
  },
  { from: "gantline-protocol", targets: IO_CRATES, why: `gantline-protocol ${PURE}` },
  { from: "gantline-login", targets: IO_CRATES, why: `gantline-login ${PURE}` },
  { from: "gantline-crypto", targets: IO_CRATES, why: `gantline-crypto ${PURE}` },
];

/** What is wrong with a workspace, given the output of `cargo metadata`: one fault per edge or path. */
function violations(metadata) {
  const graph = readGraph(metadata);
  const faults = [
    ...UNREACHABLE.flatMap((rule) => pathFaults(graph, rule)),
    ...graph.members.flatMap((id) => memberFaults(graph, id)),
  ];
  // An edge that both tables forbid is told once, with the more particular reason.
  return faults.filter(({ what }, at) => at === faults.findIndex((other) => other.what === what));
}

function memberFaults(graph, id) {
  const from = graph.name(id);
  if (TEST_PACKAGES.includes(from)) return [];
  if (!Object.hasOwn(ALLOWED, from)) {
    return [
      fault(
        `${from} is a workspace member without a direction`,
        "a package that is not in the table could pull the layers together unseen",
        "add it to ALLOWED in scripts/check-directions.mjs, or to TEST_PACKAGES if it only tests",
      ),
    ];
  }
  return graph
    .dependencies(id, ["normal", "build"])
    .filter((to) => graph.members.includes(to))
    .map((to) => graph.name(to))
    .filter((to) => !ALLOWED[from].includes(to))
    .map((to) => edgeFault(from, to));
}

function edgeFault(from, to) {
  const allowed = ALLOWED[from].join(", ") || "no other member";
  return fault(
    `${from} -> ${to}`,
    `dependencies point one way, and ${from} may use ${allowed}`,
    `move what ${from} needs into a package it may use, or make ${to} a dev-dependency if only tests need it`,
  );
}

function pathFaults(graph, { from, targets, why }) {
  const start = graph.members.find((id) => graph.name(id) === from);
  if (start === undefined) return [];
  const forbidden = (id) => targets.includes(graph.name(id));
  return graph
    .shortestPaths(start, forbidden)
    .filter((path) => forbidden(path.at(-1)))
    .map((path) => path.map(graph.name))
    .map((path) =>
      fault(
        path.join(" -> "),
        why,
        `remove the dependency or the feature that brings ${path.at(-1)} in; ` +
          `cargo tree -p ${from} -e normal --all-features -i ${path.at(-1)} shows every way to it`,
      ),
    );
}

function fault(what, why, mend) {
  return { what, why, mend };
}

function readGraph(metadata) {
  const names = new Map(metadata.packages.map(({ id, name }) => [id, name]));
  const nodes = new Map(metadata.resolve.nodes.map((node) => [node.id, node]));

  const dependencies = (id, kinds) =>
    nodes
      .get(id)
      .deps.filter(({ dep_kinds }) => dep_kinds.some(({ kind }) => kinds.includes(kind ?? "normal")))
      .map(({ pkg }) => pkg);

  // A shortest path to each package that `start` reaches by normal dependencies, going no further
  // where `last` says so.
  const shortestPaths = (start, last) => {
    const seen = new Set([start]);
    const paths = [[start]];
    for (const path of paths) {
      if (last(path.at(-1))) continue;
      for (const next of dependencies(path.at(-1), ["normal"])) {
        if (seen.has(next)) continue;
        seen.add(next);
        paths.push([...path, next]);
      }
    }
    return paths.slice(1);
  };

  return {
    members: metadata.workspace_members,
    name: (id) => names.get(id),
    dependencies,
    shortestPaths,
  };
}

function cargoMetadata() {
  const cargo = spawnSync(
    "cargo",
    ["metadata", "--format-version", "1", "--locked", "--all-features"],
    {
      cwd: dirname(dirname(fileURLToPath(import.meta.url))),
      encoding: "utf8",
      maxBuffer: Number.POSITIVE_INFINITY,
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  if (cargo.error) throw cargo.error;
  if (cargo.status !== 0) {
    console.error("check-directions: cargo metadata failed, as cargo says above.");
    console.error("If Cargo.lock is what is out of date: cargo metadata >/dev/null, and commit it.");
    process.exit(1);
  }
  return JSON.parse(cargo.stdout);
}

/** Metadata in cargo's form from lines such as "gantline-relay -> tokio" or "a -> b (dev)". */
function planted(members, edges) {
  const parsed = edges.map((edge) => /^(\S+) -> (\S+)(?: \((dev|build)\))?$/.exec(edge).slice(1));
  const names = [...new Set([...members, ...parsed.flatMap(([from, to]) => [from, to])])];
  const id = (name) => `path+file:///planted/${name}#0.1.0`;
  const deps = (name) =>
    parsed
      .filter(([from]) => from === name)
      .map(([, to, kind]) => ({ pkg: id(to), dep_kinds: [{ kind: kind ?? null, target: null }] }));
  return {
    packages: names.map((name) => ({ id: id(name), name })),
    workspace_members: members.map(id),
    resolve: { nodes: names.map((name) => ({ id: id(name), deps: deps(name) })) },
  };
}

function selfTest() {
  const members = [...Object.keys(ALLOWED), ...TEST_PACKAGES];
  const sound = [
    ...Object.entries(ALLOWED).flatMap(([from, all]) => all.map((to) => `${from} -> ${to}`)),
    "gantline-crypto -> snow",
    "gantline-crypto -> tokio (dev)",
    "gantline-crypto -> gantline-client (dev)",
    "gantline-relay -> gantline-crypto (dev)",
    "gantline-relay -> tokio",
    "gantline-fuzz -> gantline-crypto",
    "gantline-tests -> gantline-node",
    "snow -> tokio (build)",
  ];
  const findsIn = (all, edges, ...expected) => {
    const found = violations(planted(all, edges)).map(({ what }) => what);
    assert.deepEqual(found.sort(), expected.sort());
  };
  const finds = (edges, ...expected) => findsIn(members, [...sound, ...edges], ...expected);

  finds([]);
  findsIn(["gantline-protocol"], []);

  finds(["gantline-relay -> gantline-crypto"], "gantline-relay -> gantline-crypto");
  finds(
    ["gantline-relay -> splice", "splice -> gantline-crypto"],
    "gantline-relay -> splice -> gantline-crypto",
  );
  finds(
    ["gantline-transport -> gantline-crypto"],
    "gantline-transport -> gantline-crypto",
    "gantline-relay -> gantline-transport -> gantline-crypto",
  );

  finds(["gantline-protocol -> gantline-login (build)"], "gantline-protocol -> gantline-login");
  finds(["gantline-node -> gantline-relay"], "gantline-node -> gantline-relay");
  finds(["gantline-node -> gantline-tests"], "gantline-node -> gantline-tests");

  finds(
    ["gantline-protocol -> tokio", "tokio -> mio"],
    "gantline-protocol -> tokio",
    "gantline-login -> gantline-protocol -> tokio",
    "gantline-crypto -> gantline-protocol -> tokio",
  );
  finds(["snow -> socket2"], "gantline-crypto -> snow -> socket2");

  findsIn(
    [...members, "gantline-extra"],
    sound,
    "gantline-extra is a workspace member without a direction",
  );
  console.log("directions: self-test passed");
}

function main(args) {
  if (args.length === 1 && args[0] === "--self-test") return selfTest();
  if (args.length > 0) {
    console.error("usage: node scripts/check-directions.mjs [--self-test]");
    process.exit(2);
  }
  const metadata = cargoMetadata();
  const found = violations(metadata);
  for (const { what, why, mend } of found) {
    console.error(`forbidden: ${what}\n    why:  ${why}\n    mend: ${mend}\n`);
  }
  if (found.length > 0) process.exit(1);
  console.log(`directions: ${metadata.workspace_members.length} workspace members, as allowed`);
}

main(process.argv.slice(2));
