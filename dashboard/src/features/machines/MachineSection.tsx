// One machine of the fleet, and its agents below it.
import { type ReactNode, useEffect, useRef, useState } from "react";
import { useStore } from "zustand";
import type { Agent } from "../../api/client";
import { type MachineView, wakeAll } from "../../machines/fleet";
import { vitals, watchVitals } from "../../machines/vitals";
import { Button } from "../../ui/Button";
import { Command } from "../../ui/Command";
import { bytes, clock, percent } from "../../ui/format";
import { Notice } from "../../ui/Notice";
import { Text } from "../../ui/Text";
import { AGENT_COLUMNS, AgentRow } from "../agents/AgentRow";
import { MachineMenu } from "./MachineMenu";
import { PathMark, whyOf } from "./PathMark";

interface MachineSectionProps {
  machine: MachineView;
  agents: readonly Agent[];
  /** Whether something is left out of `agents` by a search or a filter. */
  filtered: boolean;
  /** Whether there are so many machines that each is to take little room. */
  many: boolean;
  onSpawn: () => void;
  onPair: () => void;
}

export function MachineSection(props: MachineSectionProps) {
  const { machine, agents, filtered, many, onSpawn, onPair } = props;
  const { machineId, status } = machine;
  const section = useSeen(machineId);
  const up = status.state === "up";
  const why = whyOf(status);

  return (
    <section
      aria-label={machine.name}
      className="overflow-clip rounded-lg border border-line bg-raised"
      ref={section}
    >
      <header className="flex min-h-12 items-center gap-x-2 px-3 py-1.5">
        <div className="flex min-w-0 flex-1 flex-wrap items-center gap-x-4 gap-y-0.5">
          <h2 className="min-w-0 truncate text-lg font-semibold text-primary">
            <Text limit={64}>{machine.name}</Text>
          </h2>
          <PathMark machine={machine} />
          {many && !filtered && machine.agents?.size === 0 && (
            <span className="text-sm text-floor">Nothing runs here</span>
          )}
          <span className="flex-1 max-sm:hidden" />
          {up && <MachineFigures machineId={machineId} />}
        </div>
        <MachineMenu machine={machine} onSpawn={onSpawn} />
      </header>
      {why !== null && status.state !== "reconnecting" && (
        <Away many={many} machine={machine} onPair={onPair} why={why} />
      )}
      <Agents agents={agents} filtered={filtered} machine={machine} many={many}>
        {agents.length > 0 && (
          <ul className={machine.live ? "" : "grayscale"}>
            <li
              aria-hidden="true"
              className={`hidden h-7 items-center gap-x-4 border-t border-line px-3 text-xs text-floor md:grid ${AGENT_COLUMNS}`}
            >
              <span>State</span>
              <span>Agent</span>
              <span>Last line</span>
              <span className="text-right">CPU</span>
              <span className="text-right">Memory</span>
              <span className="text-right">Since</span>
            </li>
            {agents.map((agent) => (
              <AgentRow agent={agent} key={agent.agentId} machine={machine} />
            ))}
          </ul>
        )}
      </Agents>
    </section>
  );
}

interface AwayProps {
  machine: MachineView;
  why: string;
  many: boolean;
  onPair: () => void;
}

/** Why it can't be reached, since when, and what to do about it. */
function Away({ machine, why, many, onPair }: AwayProps) {
  const isOffline = machine.status.state === "offline";
  const action = isOffline ? (
    <Button icon="restart" onClick={wakeAll} weight={many ? "quiet" : "plain"}>
      Retry
    </Button>
  ) : (
    <Button icon="plus" onClick={onPair} weight={many ? "quiet" : "plain"}>
      Pair again
    </Button>
  );
  const text = (
    <>
      <Text>{/[.!?]$/.test(why) ? why : `${why}.`}</Text>
      {machine.agents !== null && machine.asOf !== null && (
        <span className="text-floor"> What is below is as of {clock(machine.asOf)}.</span>
      )}
    </>
  );
  if (many) {
    return (
      <div className="flex items-center gap-3 pr-1 pb-1 pl-3 text-sm text-secondary" role="status">
        <p className="line-clamp-2 min-w-0 flex-1">{text}</p>
        {action}
      </div>
    );
  }
  return (
    <div className="px-3 pb-3">
      <Notice action={action} tone={isOffline ? "warn" : "error"}>
        {text}
      </Notice>
    </div>
  );
}

interface AgentsProps {
  machine: MachineView;
  agents: readonly Agent[];
  filtered: boolean;
  many: boolean;
  children: ReactNode;
}

/** What stands there in place of agents: they are not known yet, there are none, none is found. */
function Agents({ machine, agents, filtered, many, children }: AgentsProps) {
  if (agents.length > 0) return children;
  const line = "border-t border-line px-3 py-3 text-sm text-secondary";
  if (machine.agents === null) {
    if (machine.problem !== null && machine.status.state === "up") {
      return <p className={line}>{machine.problem}</p>;
    }
    // As high as one agent will be, so that nothing jumps.
    return machine.status.state === "up" || machine.status.state === "connecting" ? (
      <p className={`${line} h-11`}>Asking for its agents…</p>
    ) : null;
  }
  if (filtered) return <p className={line}>Nothing here that you look for.</p>;
  // Its header says so.
  if (many) return null;
  return (
    <div className={`${line} grid gap-2`}>
      <p>Nothing runs here yet. Start something from here, or on that machine:</p>
      <Command>gantline spawn --name shell -- bash</Command>
    </div>
  );
}

function MachineFigures({ machineId }: { machineId: string }) {
  const seen = useStore(vitals, ({ of }) => of.get(machineId)?.machine);
  if (seen === undefined) return null;
  return (
    <dl className="flex items-center gap-4 text-xs text-secondary tabular-nums max-sm:w-full">
      <Meter label="CPU" part={seen.cpuPercent / (seen.cores * 100)}>
        {percent(seen.cpuPercent / seen.cores)}
      </Meter>
      <Meter label="Memory" part={seen.memoryUsed / seen.memoryTotal}>
        {bytes(seen.memoryUsed)}
        <span className="text-floor max-sm:hidden"> of {bytes(seen.memoryTotal)}</span>
      </Meter>
    </dl>
  );
}

function Meter({ label, part, children }: { label: string; part: number; children: ReactNode }) {
  const width = Math.min(1, Math.max(0, part));
  return (
    <div className="flex items-center gap-2">
      <dt className="text-floor">{label}</dt>
      <dd className="flex items-center gap-2">
        <svg aria-hidden="true" className="rounded-full" height="4" width="48">
          <rect className="fill-line" height="4" width="48" />
          <rect
            className={width > 0.9 ? "fill-warn" : "fill-accent"}
            height="4"
            width={48 * width}
          />
        </svg>
        <span>{children}</span>
      </dd>
    </div>
  );
}

/** Asks for what the machine uses while its section is on the screen. */
function useSeen(machineId: string) {
  const element = useRef<HTMLElement>(null);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    if (element.current === null) return;
    const observer = new IntersectionObserver(([entry]) => setSeen(entry?.isIntersecting ?? false));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  useEffect(() => (seen ? watchVitals(machineId) : undefined), [seen, machineId]);
  return element;
}
