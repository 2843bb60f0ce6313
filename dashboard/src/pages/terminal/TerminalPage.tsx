// Terminal: tabs of panes, as the address says.
import { useStore } from "zustand";
import type { Agent } from "../../api/client";
import { isOver, standingOf, titleOf } from "../../features/agents/agent";
import { TerminalPane } from "../../features/terminal/TerminalPane";
import { Link } from "../../Link";
import { fleet, type MachineView } from "../../machines/fleet";
import { navigate } from "../../navigation";
import { type Layout, type Pane, paths, type Tab } from "../../routes";
import { IconButton } from "../../ui/Button";
import { Command } from "../../ui/Command";
import { classes } from "../../ui/classes";
import { Icon } from "../../ui/Icon";
import { Menu } from "../../ui/Menu";
import { plain } from "../../ui/plain";
import { Text } from "../../ui/Text";
import { closePane, closeTab, focusPane, openPane, showTab, splitWith, turnTab } from "./layout";

interface TerminalPageProps {
  layout: Layout;
  onPalette: () => void;
}

export function TerminalPage({ layout, onPalette }: TerminalPageProps) {
  const machines = useStore(fleet, (state) => state.machines);
  const go = (next: Layout) => navigate(paths.terminal(next), "replace");
  const tab = layout.tabs[layout.at];
  if (tab === undefined) return <NoTerminal machines={machines} />;

  const others = candidates(machines, tab);
  const add = (split: Tab["direction"] | null) =>
    others.slice(0, 12).map(({ pane, label, hint }) => ({
      label,
      hint,
      act: () => go(split === null ? openPane(layout, pane) : splitWith(layout, pane, split)),
    }));
  const none = [{ label: "Nothing else runs", disabled: true, act: () => undefined }];

  return (
    <div className="flex h-full min-h-0 flex-col">
      <h1 className="sr-only">Terminal</h1>
      <div className="flex h-10 items-stretch border-b border-line bg-raised coarse:h-12">
        <nav aria-label="Terminals" className="flex min-w-0 flex-1 overflow-x-auto">
          {layout.tabs.map((each, at) => (
            <TabButton
              key={each.panes.map(({ agent }) => agent).join()}
              machines={machines}
              onClose={() => go(closeTab(layout, at))}
              onShow={() => go(showTab(layout, at))}
              shown={at === layout.at}
              tab={each}
            />
          ))}
        </nav>
        <div className="flex items-center px-1">
          <Menu icon="plus" items={[others.length ? add(null) : none]} label="Open in a new tab" />
          <Menu
            className="max-sm:hidden"
            icon="columns"
            items={[others.length ? add("row") : none]}
            label="Split: beside"
          />
          <Menu
            className="max-sm:hidden"
            icon="rows"
            items={[others.length ? add("column") : none]}
            label="Split: below"
          />
          {tab.panes.length > 1 && (
            <IconButton
              className="max-sm:hidden"
              icon="turn"
              label="Turn the split"
              onClick={() => go(turnTab(layout))}
            />
          )}
        </div>
      </div>
      {layout.tabs.map((each, at) => (
        <div
          className={classes(
            "min-h-0 flex-1",
            at === layout.at ? "flex" : "hidden",
            "divide-line",
            each.direction === "row" ? "flex-row sm:divide-x" : "flex-col sm:divide-y",
          )}
          key={each.panes.map(({ agent }) => agent).join()}
        >
          {each.panes.map((pane, index) => (
            <TerminalPane
              active={at === layout.at && index === each.at}
              agent={pane.agent}
              key={`${pane.machine}.${pane.agent}`}
              machine={pane.machine}
              onClose={() => go(closePane(layout, at, pane))}
              onFocus={() => at === layout.at && go(focusPane(layout, at, index))}
              count={each.panes.length}
              index={index}
              onNext={() => go(focusPane(layout, at, (index + 1) % each.panes.length))}
              onPalette={onPalette}
              shown={at === layout.at}
            />
          ))}
        </div>
      ))}
    </div>
  );
}

interface TabButtonProps {
  tab: Tab;
  shown: boolean;
  machines: ReadonlyMap<string, MachineView>;
  onShow: () => void;
  onClose: () => void;
}

function TabButton({ tab, shown, machines, onShow, onClose }: TabButtonProps) {
  const agents = tab.panes.map((pane) => agentOf(machines, pane));
  const title = agents
    .map((agent, at) => (agent ? titleOf(agent) : (tab.panes[at]?.agent ?? "")))
    .join(" | ");
  const standing = agents[0] && standingOf(agents[0]);
  return (
    <div
      className={classes(
        "flex max-w-56 shrink-0 items-center border-r border-line pr-1",
        shown
          ? "bg-screen text-primary shadow-[inset_0_2px_0_var(--color-accent)]"
          : "text-secondary",
      )}
    >
      <button
        aria-current={shown ? "page" : undefined}
        className="flex h-full min-w-0 items-center gap-2 pl-3 text-sm focus-visible:-outline-offset-2"
        onAuxClick={(event) => event.button === 1 && onClose()}
        onClick={onShow}
        type="button"
      >
        {standing && <Icon name={standing.icon} size={14} />}
        <span className="truncate">
          <Text limit={80}>{title}</Text>
        </span>
      </button>
      <IconButton
        className="size-6 coarse:size-11"
        icon="close"
        label={`Close tab ${plain(title, 80)}`}
        onClick={onClose}
      />
    </div>
  );
}

function NoTerminal({ machines }: { machines: ReadonlyMap<string, MachineView> }) {
  const running = candidates(machines, null);
  return (
    <div className="mx-auto grid max-w-lg gap-4 p-4 sm:p-10">
      <h1 className="text-xl font-semibold text-primary">Terminal</h1>
      {running.length === 0 ? (
        <>
          <p>Nothing runs on your machines. Start a shell from the fleet, or on a machine:</p>
          <Command>gantline spawn --name shell -- bash</Command>
        </>
      ) : (
        <>
          <p className="text-secondary">No terminal is open. What runs:</p>
          <ul className="rounded-lg border border-line bg-raised">
            {running.slice(0, 12).map(({ pane, label, hint }) => (
              <li className="border-line not-first:border-t" key={pane.machine + pane.agent}>
                <Link
                  className="flex min-h-11 items-center gap-2 px-3 hover:bg-hover focus-visible:-outline-offset-2"
                  href={paths.terminal(openPane({ tabs: [], at: 0 }, pane))}
                >
                  <Icon name="terminal" />
                  <span className="font-medium text-primary">{label}</span>
                  <span className="ml-auto text-sm text-secondary">{hint}</span>
                </Link>
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

/** What runs and is not in the tab, newest first. */
function candidates(machines: ReadonlyMap<string, MachineView>, tab: Tab | null) {
  const inTab = new Set(tab?.panes.map(({ machine, agent }) => `${machine}.${agent}`));
  return [...machines.values()]
    .flatMap((view) => [...(view.agents?.values() ?? [])].map((agent) => ({ view, agent })))
    .filter(({ view, agent }) => !isOver(agent) && !inTab.has(`${view.machineId}.${agent.agentId}`))
    .sort((a, b) => b.agent.createdAt - a.agent.createdAt)
    .map(({ view, agent }) => ({
      pane: { machine: view.machineId, agent: agent.agentId },
      label: plain(titleOf(agent), 48),
      hint: plain(view.name, 32),
    }));
}

function agentOf(machines: ReadonlyMap<string, MachineView>, pane: Pane): Agent | undefined {
  return machines.get(pane.machine)?.agents?.get(pane.agent);
}
