// What is to be said about a terminal: that it is away, as of when, what is missing, how it ended.
import { type ReactNode, useEffect, useState } from "react";
import type { Agent } from "../../api/client";
import type { MachineView } from "../../machines/fleet";
import { navigate } from "../../navigation";
import { paths } from "../../routes";
import { Button, IconButton } from "../../ui/Button";
import { classes } from "../../ui/classes";
import { bytes, clock } from "../../ui/format";
import { Icon, type IconName } from "../../ui/Icon";
import { Text } from "../../ui/Text";
import { AgainButton } from "../agents/AgainButton";
import { isOver } from "../agents/agent";
import type { PaneState } from "./pane";

/** A break that is over before is not worth a word. */
const UNSAID_MS = 2_000;
/** After which what is shown is said to be old. */
const OFFLINE_MS = 10_000;

interface PaneNotesProps {
  state: PaneState;
  agent: Agent | undefined;
  machine: MachineView | undefined;
  onRetry: () => void;
  onLog: () => void;
  onSeenSkipped: () => void;
  onSeenDropped: () => void;
}

export function PaneNotes(props: PaneNotesProps) {
  const { state, agent, machine, onRetry, onLog, onSeenSkipped, onSeenDropped } = props;
  const away = useAway(state.connection.state === "away" ? state.connection.since : null);
  const { skipped, exit, dropped } = state;
  const over = exit !== null || (agent !== undefined && isOver(agent));
  const path = machine?.status.state;
  const restarts =
    (machine?.status.state === "reconnecting" || machine?.status.state === "offline") &&
    machine.status.restarts === true;

  if (machine === undefined) {
    return <Note icon="question" tone="warn" word="This machine is not in the fleet." />;
  }
  if (path === "revoked") {
    return (
      <Note
        action={<Button onClick={() => navigate(paths.fleet())}>Pair again</Button>}
        icon="fail"
        tone="error"
        word="Removed by the machine"
      >
        Its owner removed this device. What is shown is as it was.
      </Note>
    );
  }
  const isAway = away !== null && !over && state.connection.state === "away";
  return (
    <>
      {state.connection.state === "refused" && (
        <Note
          action={<Button onClick={onLog}>Save log</Button>}
          icon={agent?.source === "exec" ? "dot" : "question"}
          tone="warn"
          word={refusal(state.connection.status)}
        />
      )}
      {over && agent && (
        <Note
          action={
            <>
              <Button onClick={onLog} weight="quiet">
                Save log
              </Button>
              <AgainButton agent={agent} machine={machine} />
            </>
          }
          icon={exit?.kind === "code" && exit.code === 0 ? "check" : "fail"}
          tone={exit?.kind === "code" && exit.code === 0 ? "ok" : "error"}
          word={ending(state, agent)}
        >
          {agent.endedAt !== undefined && `at ${clock(agent.endedAt)}. `}
          {agent.reason !== undefined && <Text limit={200}>{agent.reason}</Text>}
        </Note>
      )}
      {/* What comes and goes lies over the header: neither hides the terminal's text nor changes its
          size, of which its programs would hear. */}
      <div className="relative z-10">
        {isAway && away === "reconnecting" && <ReconnectingBar />}
        <div className="absolute inset-x-0 -top-9 coarse:-top-11">
          {isAway && restarts && (
            <Note icon="restart" tone="info" word="The node restarts">
              The agent is still running, and its output is kept.
            </Note>
          )}
          {isAway && away === "offline" && (
            <Note
              action={
                <Button icon="restart" onClick={onRetry}>
                  Retry
                </Button>
              }
              icon="fail"
              tone="warn"
              word={`Offline, as of ${clock(sinceOf(state))}`}
            >
              {path === "up" ? (
                <Text limit={200}>{whyOf(state)}</Text>
              ) : (
                !restarts && "The agent goes on running, and its output is kept."
              )}
            </Note>
          )}
          {skipped !== null && (
            <Note
              action={
                <>
                  <Button onClick={onLog} weight="quiet">
                    Save it
                  </Button>
                  <IconButton icon="close" label="Dismiss" onClick={onSeenSkipped} />
                </>
              }
              icon="warn"
              tone="info"
              word={`${bytes(Number(skipped.to - skipped.from))} skipped`}
            >
              They came faster than this window could show them. The log has what is kept.
            </Note>
          )}
          {dropped > 0 && (
            <Note
              action={<IconButton icon="close" label="Dismiss" onClick={onSeenDropped} />}
              icon="keyboard"
              tone="warn"
              word={dropped === 1 ? "A key was not sent" : `${dropped} keys were not sent`}
            >
              The connection was away for more than 5 s; they won't be sent later.
            </Note>
          )}
        </div>
      </div>
    </>
  );
}

function ReconnectingBar() {
  return (
    <div
      aria-label="Reconnecting"
      className="absolute inset-x-0 top-0 h-0.5 overflow-hidden bg-line"
      role="status"
    >
      <div className="h-full w-1/4 animate-[slide_1.2s_linear_infinite] bg-warn" />
      <span className="sr-only">Reconnecting. The agent goes on running.</span>
    </div>
  );
}

function sinceOf({ connection }: PaneState): number {
  return connection.state === "away" ? connection.since : Date.now();
}

function whyOf({ connection }: PaneState): string {
  return connection.state === "away" ? connection.why : "";
}

interface NoteProps {
  icon: IconName;
  tone: "ok" | "info" | "warn" | "error";
  word: string;
  children?: ReactNode;
  action?: ReactNode;
}

const COLOUR = { ok: "text-ok", info: "text-info", warn: "text-warn", error: "text-error" };

function Note({ icon, tone, word, children, action }: NoteProps) {
  return (
    <div
      className="flex min-h-9 items-center gap-2 border-b border-line bg-raised pr-1 pl-3 text-sm coarse:min-h-11"
      role="status"
    >
      <span className={classes("flex items-center gap-1.5 font-medium", COLOUR[tone])}>
        <Icon name={icon} size={14} />
        {word}
      </span>
      <span className="min-w-0 flex-1 truncate text-secondary">{children}</span>
      {action}
    </div>
  );
}

function ending({ exit }: PaneState, agent: Agent): string {
  const how = exit ?? fromAgent(agent);
  if (how === null) return agent.state === "failed" ? "It could not be started" : "Ended";
  switch (how.kind) {
    case "code":
      return `Exited with code ${how.code}`;
    case "signal":
      return `Ended by signal ${how.signal}`;
    case "lost":
      return "Lost: nobody saw how it ended";
  }
}

function fromAgent({ exit, state }: Agent): PaneState["exit"] {
  if (state === "lost") return { kind: "lost" };
  if (exit === undefined) return null;
  return "code" in exit
    ? { kind: "code", code: exit.code }
    : { kind: "signal", signal: exit.signal };
}

function refusal(status: number): string {
  switch (status) {
    case 404:
      return "There is no such agent any more.";
    case 409:
      return "This command runs without a terminal.";
    case 403:
      return "This device may not look at it.";
    default:
      return `The machine refused, with status ${status}.`;
  }
}

function useAway(since: number | null): "reconnecting" | "offline" | null {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (since === null) return;
    setNow(Date.now());
    const timers = [UNSAID_MS, OFFLINE_MS].map((after) =>
      setTimeout(() => setNow(Date.now()), Math.max(0, since + after - Date.now()) + 1),
    );
    return () => timers.forEach(clearTimeout);
  }, [since]);
  if (since === null || now - since < UNSAID_MS) return null;
  return now - since < OFFLINE_MS ? "reconnecting" : "offline";
}
