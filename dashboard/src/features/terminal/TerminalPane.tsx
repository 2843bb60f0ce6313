// One pane: the terminal of an agent, what is to be said about it, and the means of a phone to type.
import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { useStore } from "zustand";
import { fleet, machine as machineOf, wakeAll } from "../../machines/fleet";
import { IconButton } from "../../ui/Button";
import { classes } from "../../ui/classes";
import { StateMark } from "../../ui/StateMark";
import { Text } from "../../ui/Text";
import { attempt } from "../../ui/toasts";
import { useMedia } from "../../ui/useMedia";
import { isOver, standingOf, titleOf } from "../agents/agent";
import { appearance } from "../settings/appearance";
import { wasStartedHere } from "./fresh";
import { CHORDS, ownKey } from "./keys";
import { LinkDialog } from "./LinkDialog";
import { saveLog } from "./log";
import { PaneNotes } from "./PaneNotes";
import { Pane, type PaneState } from "./pane";
import { SearchBar } from "./SearchBar";
import { TouchKeys } from "./TouchKeys";
import "@xterm/xterm/css/xterm.css";

interface TerminalPaneProps {
  machine: string;
  agent: string;
  /** Whether this pane has the focus of its tab, and the tab is shown. */
  active: boolean;
  /** Whether its tab is shown. */
  shown: boolean;
  /** Its place among the panes of its tab, from 0, and how many those are. */
  index: number;
  count: number;
  onFocus: () => void;
  /** To the next pane of the tab, where there is room for one only. */
  onNext: () => void;
  onClose: () => void;
  onPalette: () => void;
}

export function TerminalPane(props: TerminalPaneProps) {
  const {
    machine,
    agent: agentId,
    active,
    shown,
    index,
    count,
    onFocus,
    onNext,
    onClose,
    onPalette,
  } = props;
  const view = useStore(fleet, (state) => state.machines.get(machine));
  const agent = view?.agents?.get(agentId);
  const [readOnly, setReadOnly] = useState(false);
  const [searching, setSearching] = useState(false);
  const [link, setLink] = useState<string | null>(null);
  const coarse = useMedia("(pointer: coarse)");
  const frame = useRef<HTMLElement>(null);

  // Only what the keys of a pane do may change without a new terminal.
  const onKey = useRef<(event: KeyboardEvent) => boolean>(() => false);
  const known = view !== undefined;
  const watches = readOnly || view?.role === "observer";
  const over = agent !== undefined && isOver(agent);
  const life = over ? null : (agent?.epoch ?? null);
  // Nothing that is typed can arrive there any more.
  const left = view === undefined || view.status.state === "revoked";
  const { host, pane, state } = usePane(machine, agentId, known, watches, life, onKey, setLink);

  onKey.current = (event) => {
    switch (ownKey(event)) {
      case "palette":
        onPalette();
        break;
      case "search":
        setSearching(true);
        break;
      case "release":
        frame.current?.querySelector<HTMLElement>(":is([role=status], header) button")?.focus();
        break;
      case "copy": {
        const text = pane?.xterm.terminal.getSelection() ?? "";
        if (text !== "") attempt(navigator.clipboard.writeText(text));
        break;
      }
      case "paste":
        // The browser's own paste comes to the terminal as such.
        return true;
      case null:
        return false;
    }
    event.preventDefault();
    return true;
  };

  useEffect(() => {
    if (active && !coarse) pane?.focus();
  }, [active, coarse, pane]);

  const closeSearch = useCallback(() => {
    setSearching(false);
    pane?.focus();
  }, [pane]);

  const name = agent ? titleOf(agent) : agentId;
  const standing = agent && standingOf(agent);

  return (
    <section
      aria-label={`Terminal of ${name}`}
      className={classes(
        "relative flex min-h-0 min-w-0 flex-1 flex-col bg-screen",
        !active && "max-sm:hidden",
      )}
      onFocusCapture={onFocus}
      ref={frame}
    >
      <header
        className={classes(
          "flex h-9 items-center gap-2 border-b border-line pr-1 pl-3 text-sm coarse:h-11",
          active && count > 1 ? "bg-well" : "bg-raised",
        )}
      >
        {standing && (
          <span className="max-sm:sr-only">
            <StateMark
              icon={standing.icon}
              tone={view?.live ? standing.tone : "muted"}
              word={standing.word}
            />
          </span>
        )}
        <span className="min-w-0 truncate font-medium text-primary">
          <Text limit={64}>{name}</Text>
        </span>
        <span className="min-w-0 flex-1 truncate text-xs text-secondary">
          {view && <Text limit={64}>{view.name}</Text>}
          {state.title !== "" && state.title !== name && (
            <span className="text-floor max-sm:hidden">
              {" · "}
              <Text limit={120}>{state.title}</Text>
            </span>
          )}
        </span>
        {count > 1 && (
          <button
            className="h-8 rounded px-2 text-xs text-secondary tabular-nums hover:bg-hover sm:hidden coarse:h-11"
            onClick={onNext}
            type="button"
          >
            {index + 1} of {count}
            <span className="sr-only">: next pane</span>
          </button>
        )}
        <SizeMark onDrive={() => pane?.drive()} readOnly={watches} state={state} />
        <kbd className="font-sans text-xs whitespace-nowrap text-floor max-lg:hidden coarse:hidden">
          {CHORDS.release()} leaves
        </kbd>
        <IconButton
          icon="eye"
          label={watches ? "Read-only: type again" : "Read-only"}
          onClick={() => setReadOnly(!readOnly)}
          pressed={watches}
          {...(view?.role === "observer" ? { disabled: true } : {})}
        />
        <IconButton
          icon="search"
          label={`Search, ${CHORDS.search()}`}
          onClick={() => setSearching(true)}
        />
        {count > 1 && (
          <IconButton icon="close" label="Close pane; the agent goes on" onClick={onClose} />
        )}
      </header>
      {searching && pane && (
        <div className="relative">
          <SearchBar onClose={closeSearch} xterm={pane.xterm} />
        </div>
      )}
      <PaneNotes
        agent={agent}
        machine={view}
        onLog={() => {
          const { skipped } = state;
          const part = skipped?.epoch ? { ...skipped, epoch: skipped.epoch } : undefined;
          attempt(saveLog(machine, agentId, part));
        }}
        onRetry={wakeAll}
        onSeenDropped={() => pane?.seenDropped()}
        onSeenSkipped={() => pane?.seenSkipped()}
        state={state}
      />
      <div className="min-h-0 flex-1 overflow-auto py-1 pl-2">
        <div className="size-full font-mono" data-terminal={agentId} ref={host} />
      </div>
      {coarse && shown && pane && !watches && !over && !left && <TouchKeys pane={pane} />}
      {link !== null && <LinkDialog onClose={() => setLink(null)} url={link} />}
    </section>
  );
}

const NOTHING: PaneState = {
  connection: { state: "connecting" },
  size: null,
  driver: false,
  skipped: null,
  exit: null,
  dropped: 0,
  title: "",
};
const never = () => () => undefined;

/** The pane of an agent's present life. A restart, which ended the last conversation, begins a new. */
function usePane(
  machine: string,
  agent: string,
  known: boolean,
  readOnly: boolean,
  life: string | null,
  onKey: { current: (event: KeyboardEvent) => boolean },
  onLink: (url: string) => void,
) {
  const host = useRef<HTMLDivElement>(null);
  const [pane, setPane] = useState<Pane | null>(null);
  const looks = useStore(appearance);
  const dark = useIsDark();
  const first = useRef({ ...looks, dark });
  const [round, setRound] = useState(0);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new round is a new conversation.
  useEffect(() => {
    const way = machineOf(machine)?.way;
    if (host.current === null || !known || way === undefined) return;
    const opened = new Pane(host.current, way, agent, {
      ...first.current,
      readOnly,
      takes: wasStartedHere(machine, agent),
      onKey: (event) => onKey.current(event),
      onLink,
    });
    setPane(opened);
    return () => {
      setPane(null);
      opened.close();
    };
  }, [machine, agent, known, readOnly, onKey, onLink, round]);

  const state = useSyncExternalStore(
    pane?.onState ?? never,
    useCallback(() => pane?.state ?? NOTHING, [pane]),
  );

  // The conversation ended with the process; another life of it is another conversation.
  const ended = useRef<string | null>(null);
  useEffect(() => {
    if (state.exit !== null && ended.current === null) ended.current = life ?? "";
    if (state.exit !== null && life !== null && ended.current !== life && ended.current !== "") {
      ended.current = null;
      setRound((round) => round + 1);
    }
    if (state.exit === null) ended.current = null;
    else if (life === null) ended.current = "over";
  }, [state.exit, life]);

  useEffect(() => {
    first.current = { ...looks, dark };
    pane?.look(looks.fontSize, looks.screenReader, dark);
  }, [pane, looks, dark]);

  return { host, pane, state };
}

function useIsDark(): boolean {
  const { theme } = useStore(appearance);
  const system = useMedia("(prefers-color-scheme: dark)");
  return theme === "system" ? system : theme === "dark";
}

interface SizeMarkProps {
  state: PaneState;
  readOnly: boolean;
  onDrive: () => void;
}

/** Who decides the size, when it isn't this window. */
function SizeMark({ state, readOnly, onDrive }: SizeMarkProps) {
  if (state.size === null || state.exit !== null) return null;
  const size = `${state.size.cols}×${state.size.rows}`;
  if (state.driver || readOnly) {
    return <span className="text-xs text-floor tabular-nums max-sm:hidden">{size}</span>;
  }
  return (
    <button
      className="h-7 rounded border border-line px-2 text-xs whitespace-nowrap text-secondary tabular-nums hover:bg-hover hover:text-primary coarse:h-11 coarse:border-transparent coarse:text-accent"
      onClick={onDrive}
      title="Another window, or nobody yet, decides the size of this terminal"
      type="button"
    >
      {size} · fit to here
    </button>
  );
}
