// The command palette: everything that can be gone to or done, found by typing a part of it.
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useStore } from "zustand";
import { fleet } from "../../machines/fleet";
import type { Source } from "../../machines/source";
import { navigate } from "../../navigation";
import { onlyPane, paths, type Route } from "../../routes";
import { classes } from "../../ui/classes";
import { Icon, type IconName } from "../../ui/Icon";
import { plain } from "../../ui/plain";
import { attempt } from "../../ui/toasts";
import { start, stop } from "../agents/acts";
import { commandOf, isOver, titleOf } from "../agents/agent";
import { canSpawn, SpawnDialog } from "../agents/SpawnDialog";
import { AddMachineDialog } from "../machines/AddMachineDialog";
import { changeAppearance } from "../settings/appearance";
import { startedHere } from "../terminal/fresh";
import { rank } from "./rank";

interface Entry {
  key: string;
  label: string;
  hint: string;
  icon: IconName;
  act: () => void;
}

interface PaletteProps {
  route: Route;
  source: Source;
  onClose: () => void;
}

const SHOWN = 50;

export function Palette({ route, source, onClose }: PaletteProps) {
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const [dialog, setDialog] = useState<"spawn" | "add" | null>(null);
  const entries = useEntries(route, source, setDialog);
  const found = useMemo(
    () => rank(entries, query, (entry) => `${entry.label} ${entry.hint}`).slice(0, SHOWN),
    [entries, query],
  );
  const frame = useRef<HTMLDialogElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();
  const chosen = Math.min(at, Math.max(0, found.length - 1));

  // Closed while it is still in the page, it gives the focus back to where it was.
  useLayoutEffect(() => {
    if (dialog !== null) return;
    const element = frame.current;
    element?.showModal();
    return () => element?.close();
  }, [dialog]);
  useEffect(() => {
    list.current?.children[chosen]?.scrollIntoView({ block: "nearest" });
  }, [chosen]);

  if (dialog === "add") return <AddMachineDialog onClose={onClose} source={source} />;
  if (dialog === "spawn") {
    return (
      <SpawnDialog
        onClose={onClose}
        onSpawned={(machine, agent) => {
          startedHere(machine, agent);
          navigate(paths.terminal(onlyPane({ machine, agent })));
        }}
      />
    );
  }

  const run = (entry: Entry | undefined) => {
    if (entry === undefined) return;
    frame.current?.close();
    onClose();
    entry.act();
  };

  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape does the same, by the browser's own hand.
    <dialog
      aria-label="Search and commands"
      className="mx-auto mt-[12dvh] w-full max-w-xl overflow-hidden rounded-lg border border-line bg-raised p-0 shadow-2xl shadow-black/40 max-sm:mt-2 max-sm:max-w-[calc(100%-1rem)]"
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === frame.current) onClose();
      }}
      ref={frame}
    >
      <div className="flex items-center gap-2 border-b border-line px-3 text-secondary">
        <Icon name="search" />
        <input
          aria-activedescendant={found.length > 0 ? `${id}-${chosen}` : undefined}
          aria-autocomplete="list"
          aria-controls={`${id}-list`}
          aria-expanded="true"
          aria-label="Search and commands"
          autoComplete="off"
          autoFocus
          className="h-12 min-w-0 flex-1 bg-transparent text-lg text-primary outline-none"
          onChange={(event) => {
            setQuery(event.target.value);
            setAt(0);
          }}
          onKeyDown={(event) => {
            if (event.key === "ArrowDown") setAt(Math.min(chosen + 1, found.length - 1));
            else if (event.key === "ArrowUp") setAt(Math.max(chosen - 1, 0));
            else if (event.key === "Enter") run(found[chosen]);
            else return;
            event.preventDefault();
          }}
          placeholder="Go to an agent, or do something"
          role="combobox"
          spellCheck={false}
          value={query}
        />
        <kbd className="font-sans text-xs text-floor coarse:hidden">Esc</kbd>
      </div>
      <div
        aria-label="Found"
        className="max-h-[min(50dvh,26rem)] overflow-y-auto p-1"
        id={`${id}-list`}
        ref={list}
        role="listbox"
      >
        {found.map((entry, index) => (
          <div
            aria-selected={index === chosen}
            className={classes(
              "flex min-h-9 cursor-pointer items-center gap-2.5 rounded px-2.5 text-base coarse:min-h-11",
              index === chosen ? "bg-well text-primary" : "text-body",
            )}
            id={`${id}-${index}`}
            key={entry.key}
            onClick={() => run(entry)}
            onKeyDown={() => undefined}
            onPointerMove={() => setAt(index)}
            role="option"
            tabIndex={-1}
          >
            <span className={index === chosen ? "text-accent" : "text-secondary"}>
              <Icon name={entry.icon} />
            </span>
            <span className="max-w-[65%] shrink-0 truncate">
              <bdi>{entry.label}</bdi>
            </span>
            <span className="ml-auto min-w-0 truncate pl-3 text-sm text-secondary">
              <bdi>{entry.hint}</bdi>
            </span>
          </div>
        ))}
      </div>
      {found.length === 0 && <p className="px-4 pb-4 text-sm text-secondary">Nothing like that.</p>}
    </dialog>
  );
}

function useEntries(
  route: Route,
  source: Source,
  show: (dialog: "spawn" | "add") => void,
): Entry[] {
  const machines = useStore(fleet, (state) => state.machines);
  return useMemo(() => {
    const views = [...machines.values()];
    const agents = views.flatMap((view) =>
      [...(view.agents?.values() ?? [])].map((agent) => ({ view, agent })),
    );
    agents.sort(
      (a, b) =>
        Number(isOver(a.agent)) - Number(isOver(b.agent)) || b.agent.createdAt - a.agent.createdAt,
    );
    const entries: Entry[] = agents.map(({ view, agent }) => ({
      key: `open ${view.machineId} ${agent.agentId}`,
      label: plain(titleOf(agent), 64),
      hint: plain(
        `${agent.name === undefined ? agent.agentId : commandOf(agent)} · ${view.name}`,
        80,
      ),
      icon: "terminal",
      act: () =>
        navigate(paths.terminal(onlyPane({ machine: view.machineId, agent: agent.agentId }))),
    }));
    if (views.some(canSpawn)) {
      entries.push({
        key: "new agent",
        label: "New agent",
        hint: "start a command",
        icon: "plus",
        act: () => show("spawn"),
      });
    }
    if (source.only === null) {
      entries.push({
        key: "add machine",
        label: "Add machine",
        hint: "pair",
        icon: "plus",
        act: () => show("add"),
      });
    }
    for (const { view, agent } of agents) {
      if (view.role === "observer") continue;
      if (isOver(agent)) {
        entries.push({
          key: `start ${view.machineId} ${agent.agentId}`,
          label: `Start ${plain(titleOf(agent), 64)} again`,
          hint: plain(`${agent.agentId} · ${view.name}`, 80),
          icon: "play",
          act: () => attempt(start(view.machineId, agent.agentId)),
        });
        continue;
      }
      entries.push({
        key: `stop ${view.machineId} ${agent.agentId}`,
        label: `Stop ${plain(titleOf(agent), 64)}`,
        hint: plain(`${agent.agentId} · ${view.name}`, 80),
        icon: "stop",
        act: () => attempt(stop(view.machineId, agent.agentId)),
      });
    }
    const go = (label: string, path: string, icon: IconName): Entry => ({
      key: path,
      label,
      hint: "go to",
      icon,
      act: () => navigate(path),
    });
    if (route.page !== "fleet") entries.push(go("Fleet", paths.fleet(), "fleet"));
    entries.push(
      go("Agents that need attention", paths.fleet("", "attention"), "warn"),
      go("Devices", paths.settings("devices"), "device"),
      go("Appearance", paths.settings("appearance"), "sun"),
      go("About and trust", paths.settings("about"), "shield"),
    );
    for (const theme of ["dark", "light", "system"] as const) {
      entries.push({
        key: theme,
        label: `Theme: ${theme}`,
        hint: "appearance",
        icon: "sun",
        act: () => changeAppearance({ theme }),
      });
    }
    return entries;
  }, [machines, route.page, source.only, show]);
}
