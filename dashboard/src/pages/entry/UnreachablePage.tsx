// Not even the place of this page could be asked for.
import { Button } from "../../ui/Button";
import { Notice } from "../../ui/Notice";

export function UnreachablePage({ why, onRetry }: { why: string; onRetry: () => void }) {
  return (
    <main className="mx-auto grid max-w-lg gap-4 p-4 sm:p-10">
      <h1 className="text-xl font-semibold text-primary">No answer</h1>
      <Notice
        action={
          <Button icon="restart" onClick={onRetry}>
            Retry
          </Button>
        }
        tone="error"
      >
        {why}
      </Notice>
      <p className="text-sm text-secondary">
        What serves this page does not answer. Is the node running? <code>gantline up</code> starts
        it; your agents go on without it.
      </p>
    </main>
  );
}
