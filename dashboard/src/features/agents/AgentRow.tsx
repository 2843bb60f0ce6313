// One agent in the fleet: a line on a wide window, a small card on a phone.
import { memo } from "react";
import { useStore } from "zustand";
import type { Agent } from "../../api/client";
import { Link } from "../../Link";
import type { MachineView } from "../../machines/fleet";
import { vitals } from "../../machines/vitals";
import { onlyPane, paths } from "../../routes";
import { bytes, duration, percent } from "../../ui/format";
import { StateMark } from "../../ui/StateMark";
import { Text } from "../../ui/Text";
import { useNow } from "../../ui/useNow";
import { AgentMenu } from "./AgentMenu";
import { commandOf, isOver, sinceOf, standingOf, titleOf } from "./agent";

/** Columns of a wide window: state, name, last line, processor, memory, since, menu. */
export const AGENT_COLUMNS =
  "md:grid-cols-[7.5rem_minmax(9rem,1.2fr)_minmax(0,2fr)_3.5rem_4.5rem_4rem_2rem]";

interface AgentRowProps {
  machine: MachineView;
  agent: Agent;
}

export const AgentRow = memo(function AgentRow({ machine, agent }: AgentRowProps) {
  const { machineId } = machine;
  const seen = useStore(vitals, ({ of }) => of.get(machineId)?.agents.get(agent.agentId));
  const now = useNow();
  const standing = standingOf(agent);
  const over = isOver(agent);
  const why = agent.problem ?? agent.reason;
  const line = why ?? seen?.lastLine ?? "";
  const alive = machine.live && !over ? seen : undefined;
  const since = duration(now - sinceOf(agent));

  return (
    <li
      className={`relative grid grid-cols-[minmax(0,1fr)_auto] items-center gap-x-4 border-t border-line px-3 py-2 hover:bg-hover md:py-0 ${AGENT_COLUMNS} md:h-11`}
    >
      <div className="order-2 col-start-1 flex items-center gap-2 md:order-none md:col-start-auto">
        <StateMark icon={standing.icon} tone={standing.tone} word={standing.word} />
        <span className="text-xs text-floor tabular-nums md:hidden">
          {since}
          {alive && ` · ${percent(alive.cpuPercent)} · ${bytes(alive.memory)}`}
        </span>
      </div>
      <div className="col-start-1 row-start-1 min-w-0 md:col-start-auto md:row-start-auto">
        <Link
          className="block truncate font-medium text-primary after:absolute after:inset-0 focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent"
          href={paths.terminal(onlyPane({ machine: machineId, agent: agent.agentId }))}
        >
          <Text limit={64}>{titleOf(agent)}</Text>
        </Link>
        {agent.name !== undefined && (
          <p className="truncate font-mono text-xs text-floor" title={agent.agentId}>
            <Text limit={160}>{commandOf(agent)}</Text>
          </p>
        )}
      </div>
      <p
        className={`order-3 col-span-2 min-w-0 truncate font-mono text-xs md:order-none md:col-span-1 ${why === undefined ? "text-secondary" : "text-warn"}`}
      >
        <Text limit={200}>{line}</Text>
      </p>
      <Figure value={alive && percent(alive.cpuPercent)} />
      <Figure value={alive && bytes(alive.memory)} />
      <Figure value={since} />
      <div className="relative col-start-2 row-span-2 row-start-1 md:col-start-auto md:row-span-1 md:row-start-auto">
        <AgentMenu agent={agent} machine={machine} />
      </div>
    </li>
  );
});

function Figure({ value }: { value: string | undefined }) {
  return (
    <span className="hidden text-right text-xs text-secondary tabular-nums md:block">
      {value ?? "–"}
    </span>
  );
}
