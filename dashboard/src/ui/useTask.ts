// One act of a person: whether it runs, and what went wrong with it.
import { useCallback, useEffect, useRef, useState } from "react";

export interface Task {
  running: boolean;
  problem: string | null;
  /** Resolves to whether it went well. */
  run: (act: () => Promise<void>) => Promise<boolean>;
}

export function useTask(): Task {
  const [running, setRunning] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const mounted = useRef(true);
  useEffect(() => {
    mounted.current = true;
    return () => {
      mounted.current = false;
    };
  }, []);
  const run = useCallback(async (act: () => Promise<void>) => {
    setRunning(true);
    setProblem(null);
    try {
      await act();
      return true;
    } catch (error) {
      if (mounted.current) setProblem(error instanceof Error ? error.message : String(error));
      return false;
    } finally {
      if (mounted.current) setRunning(false);
    }
  }, []);
  return { running, problem, run };
}
