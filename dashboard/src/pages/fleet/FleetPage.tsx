// Fleet: every machine of this user, and what runs there.
import { useEffect, useMemo, useRef, useState } from "react";
import { useStore } from "zustand";
import { isOver, matches, standingOf } from "../../features/agents/agent";
import { canSpawn, SpawnDialog } from "../../features/agents/SpawnDialog";
import { AddMachineDialog, PairedDialog } from "../../features/machines/AddMachineDialog";
import { MachineSection } from "../../features/machines/MachineSection";
import { startedHere } from "../../features/terminal/fresh";
import { fleet, type MachineView } from "../../machines/fleet";
import type { Source } from "../../machines/source";
import { navigate } from "../../navigation";
import { onlyPane, paths, type Show } from "../../routes";
import { Button } from "../../ui/Button";
import { classes } from "../../ui/classes";
import { Icon } from "../../ui/Icon";
import { Segments } from "../../ui/Segments";
import { FirstMachine } from "./FirstMachine";

/** With more machines than these an empty one shows no example. */
const MANY = 3;

interface FleetPageProps {
  query: string;
  show: Show;
  source: Source;
}

export function FleetPage({ query, show, source }: FleetPageProps) {
  const machines = useStore(fleet, (state) => state.machines);
  const listed = useStore(fleet, (state) => state.listed);
  const [spawning, setSpawning] = useState<{ machine?: string } | null>(null);
  const [adding, setAdding] = useState(source.invitation !== null);
  const [safetyNumber, setSafetyNumber] = useState<string | null>(null);
  const views = useMemo(() => [...machines.values()].sort(byName), [machines]);
  const counts = useMemo(() => count(views), [views]);
  const search = useSearchKey();

  if (!listed)
    return <p className="p-6 text-sm text-secondary">Asking which machines there are…</p>;
  if (views.length === 0) {
    const paired = (number: string) => {
      setAdding(false);
      setSafetyNumber(number);
    };
    return <FirstMachine onPaired={paired} source={source} />;
  }
  const filtered = query !== "" || show !== "all";

  return (
    <div
      className={classes(
        "mx-auto grid max-w-6xl p-3 sm:p-6",
        views.length > MANY ? "gap-2" : "gap-4",
      )}
    >
      <div className="flex flex-wrap items-center gap-2">
        <h1 className="mr-auto text-xl font-semibold text-primary">Fleet</h1>
        {source.only === null && (
          <Button icon="plus" onClick={() => setAdding(true)}>
            Add machine
          </Button>
        )}
        <Button
          disabled={!views.some(canSpawn)}
          icon="terminal"
          onClick={() => setSpawning({})}
          weight="primary"
        >
          New agent
        </Button>
      </div>
      <div className="flex flex-wrap items-center gap-2">
        <label className="relative min-w-48 flex-1">
          <span className="sr-only">Search agents</span>
          <span className="pointer-events-none absolute inset-y-0 left-2.5 flex items-center text-floor">
            <Icon name="search" />
          </span>
          <input
            className="h-8 w-full rounded border border-edge bg-bg pr-2.5 pl-8 text-base text-primary coarse:h-11 coarse:text-lg"
            enterKeyHint="search"
            onChange={(event) => navigate(paths.fleet(event.target.value, show), "replace")}
            placeholder="Search agents and machines"
            ref={search}
            spellCheck={false}
            type="search"
            value={query}
          />
        </label>
        <div className="max-w-full overflow-x-auto">
          <Segments
            label="Which agents"
            onChange={(next) => navigate(paths.fleet(query, next), "replace")}
            options={[
              { value: "all", label: "All", count: counts.all },
              { value: "running", label: "Running", count: counts.running },
              { value: "attention", label: "Attention", count: counts.attention },
              { value: "ended", label: "Ended", count: counts.ended },
            ]}
            value={show}
          />
        </div>
      </div>
      {views.map((view) => {
        const agents = shown(view, query, show);
        if (filtered && agents.length === 0 && views.length > 1) return null;
        return (
          <MachineSection
            agents={agents}
            filtered={filtered}
            key={view.machineId}
            machine={view}
            many={views.length > MANY}
            onPair={() => setAdding(true)}
            onSpawn={() => setSpawning({ machine: view.machineId })}
          />
        );
      })}
      {filtered &&
        views.length > 1 &&
        views.every((view) => shown(view, query, show).length === 0) && (
          <p className="rounded-lg border border-line bg-raised px-3 py-3 text-sm text-secondary">
            No agent is what you look for.
          </p>
        )}
      {spawning && (
        <SpawnDialog
          machine={spawning.machine}
          onClose={() => setSpawning(null)}
          onSpawned={(machine, agent) => {
            startedHere(machine, agent);
            navigate(paths.terminal(onlyPane({ machine, agent })));
          }}
        />
      )}
      {safetyNumber !== null && (
        <PairedDialog number={safetyNumber} onClose={() => setSafetyNumber(null)} />
      )}
      {adding && <AddMachineDialog onClose={() => setAdding(false)} source={source} />}
    </div>
  );
}

function shown({ agents, name }: MachineView, query: string, show: Show) {
  return [...(agents?.values() ?? [])]
    .filter((agent) => show === "all" || standingOf(agent).group === show)
    .filter((agent) => query === "" || matches(agent, name, query))
    .sort((a, b) => Number(isOver(a)) - Number(isOver(b)) || b.createdAt - a.createdAt);
}

function count(views: readonly MachineView[]): Record<Show, number> {
  const counts = { all: 0, running: 0, attention: 0, ended: 0 };
  for (const { agents } of views) {
    for (const agent of agents?.values() ?? []) {
      counts.all += 1;
      counts[standingOf(agent).group] += 1;
    }
  }
  return counts;
}

/** This machine first, then by name. */
function byName(a: MachineView, b: MachineView): number {
  return Number(b.isLocal) - Number(a.isLocal) || a.name.localeCompare(b.name);
}

/** `/` goes to the search, unless something is typed elsewhere. */
function useSearchKey() {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
      if (document.activeElement?.matches("input, textarea, select, [contenteditable]")) return;
      if (document.querySelector("dialog[open]")) return;
      event.preventDefault();
      input.current?.focus();
    };
    window.addEventListener("keydown", listen);
    return () => window.removeEventListener("keydown", listen);
  }, []);
  return input;
}
