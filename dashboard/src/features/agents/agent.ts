// How an agent is told: its name, its state in a word, its command, since when.
import type { Agent } from "../../api/client";
import type { Show } from "../../routes";
import type { IconName } from "../../ui/Icon";
import type { Tone } from "../../ui/StateMark";

export interface Standing {
  word: string;
  icon: IconName;
  tone: Tone;
  group: Exclude<Show, "all">;
}

export function titleOf(agent: Agent): string {
  if (agent.name !== undefined) return agent.name;
  const first = agent.argv[0] ?? "";
  return agent.shell ? first : (first.split("/").pop() ?? first) || agent.agentId;
}

export function standingOf(agent: Agent): Standing {
  if (agent.problem !== undefined) {
    return { word: "Out of reach", icon: "question", tone: "error", group: "attention" };
  }
  switch (agent.state) {
    case "starting":
      return { word: "Starting", icon: "clock", tone: "info", group: "running" };
    case "running":
      return { word: "Running", icon: "dot", tone: "ok", group: "running" };
    case "healthy":
      return { word: "Healthy", icon: "check", tone: "ok", group: "running" };
    case "unhealthy":
      return { word: "Unhealthy", icon: "warn", tone: "warn", group: "attention" };
    case "backoff":
      return { word: "Restarting", icon: "restart", tone: "warn", group: "attention" };
    case "stopping":
      return { word: "Stopping", icon: "pause", tone: "warn", group: "running" };
    case "exited":
      return exited(agent);
    case "failed":
      return { word: "Failed", icon: "fail", tone: "error", group: "attention" };
    case "restart_limit":
      return { word: "Gave up", icon: "fail", tone: "error", group: "attention" };
    case "lost":
      return { word: "Lost", icon: "question", tone: "error", group: "attention" };
  }
}

function exited({ exit, desired }: Agent): Standing {
  if (exit === undefined) return { word: "Ended", icon: "ring", tone: "muted", group: "ended" };
  if ("signal" in exit) {
    const word = signalName(exit.signal);
    // Whoever stopped it knows; nobody has to look.
    return { word, icon: "stop", tone: desired === "stopped" ? "muted" : "warn", group: "ended" };
  }
  if (exit.code === 0) return { word: "Exited 0", icon: "check", tone: "muted", group: "ended" };
  return { word: `Exited ${exit.code}`, icon: "fail", tone: "error", group: "ended" };
}

const SIGNALS: Record<number, string> = {
  1: "HUP",
  2: "INT",
  3: "QUIT",
  6: "ABRT",
  9: "KILL",
  11: "SEGV",
  13: "PIPE",
  15: "TERM",
};

function signalName(signal: number): string {
  return `By ${SIGNALS[signal] ?? `signal ${signal}`}`;
}

export function isOver(agent: Agent): boolean {
  switch (agent.state) {
    case "exited":
    case "failed":
    case "restart_limit":
    case "lost":
      return true;
    case "starting":
    case "running":
    case "healthy":
    case "unhealthy":
    case "backoff":
    case "stopping":
      return false;
  }
}

/** As one would type it. */
export function commandOf(agent: Agent): string {
  if (agent.shell) return agent.argv.join(" ");
  return agent.argv.map(quote).join(" ");
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Since when it is as it is. */
export function sinceOf(agent: Agent): number {
  return (isOver(agent) ? agent.endedAt : agent.startedAt) ?? agent.createdAt;
}

/** Whether `query` is found in what people see of it; words in any order. */
export function matches(agent: Agent, machineName: string, query: string): boolean {
  const text = [titleOf(agent), agent.agentId, commandOf(agent), machineName, agent.cwd ?? ""]
    .join("\n")
    .toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
