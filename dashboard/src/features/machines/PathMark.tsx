// How a machine is reached, honestly: the path, how long a round trip takes, or why there is none.
import type { MachineView } from "../../machines/fleet";
import type { WayStatus } from "../../machines/way";
import { duration, millis } from "../../ui/format";
import { StateMark } from "../../ui/StateMark";
import { useNow } from "../../ui/useNow";

const PATHS = { loopback: "This machine", lan: "Local network", relay: "Relay" } as const;

export function PathMark({ machine }: { machine: MachineView }) {
  const now = useNow();
  const { status } = machine;
  switch (status.state) {
    case "connecting":
      return <StateMark icon="clock" tone="muted" word="Connecting" />;
    case "up":
      return (
        <span className="flex items-center gap-3">
          <StateMark icon="check" tone="ok" word={machine.isLocal ? "Here" : PATHS[status.path]} />
          {status.rttMs !== null && (
            <span className="text-xs text-secondary tabular-nums" title="Round trip">
              {millis(status.rttMs)}
            </span>
          )}
        </span>
      );
    case "reconnecting":
      return <StateMark icon="restart" tone="warn" word="Reconnecting" />;
    case "offline":
      return (
        <StateMark icon="fail" tone="error" word={`Offline ${duration(now - status.since)}`} />
      );
    case "revoked":
      return <StateMark icon="fail" tone="error" word="Removed by the machine" />;
    case "unpaired":
      return <StateMark icon="question" tone="warn" word="Not paired" />;
  }
}

export function whyOf(status: WayStatus): string | null {
  switch (status.state) {
    case "connecting":
    case "up":
      return null;
    case "reconnecting":
    case "offline":
      return status.why;
    case "revoked":
      return "Its owner removed this device. To come back, it has to be paired again.";
    case "unpaired":
      return "This browser has no keys for it.";
  }
}
