// One command line to copy.
import { useEffect, useState } from "react";
import { IconButton } from "./Button";

export function Command({ children, label = "Command" }: { children: string; label?: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1500);
    return () => clearTimeout(timer);
  }, [copied]);

  return (
    <div className="flex items-center gap-1 rounded border border-line bg-well pl-3">
      <code className="min-w-0 flex-1 py-2 font-mono text-sm text-primary wrap-anywhere select-all">
        {children}
      </code>
      <IconButton
        icon={copied ? "check" : "copy"}
        label={copied ? "Copied" : `Copy ${label.toLowerCase()}`}
        onClick={() => void navigator.clipboard.writeText(children).then(() => setCopied(true))}
      />
    </div>
  );
}
