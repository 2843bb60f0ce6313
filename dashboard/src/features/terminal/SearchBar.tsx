// Looks for text in a terminal and what is above it.
import { useEffect, useState } from "react";
import { IconButton } from "../../ui/Button";
import type { Xterm } from "./xterm";

// Colours on top of the terminal's own: xterm wants them as #RRGGBB.
const MARKS = {
  matchBackground: "#854d0e",
  activeMatchBackground: "#1d4ed8",
  matchOverviewRuler: "#fbbf24",
  activeMatchColorOverviewRuler: "#60a5fa",
};

export function SearchBar({ xterm, onClose }: { xterm: Xterm; onClose: () => void }) {
  const [text, setText] = useState("");
  const [found, setFound] = useState<{ index: number; count: number } | null>(null);

  useEffect(() => {
    const listening = xterm.search.onDidChangeResults(({ resultIndex, resultCount }) =>
      setFound({ index: resultIndex, count: resultCount }),
    );
    return () => {
      listening.dispose();
      xterm.search.clearDecorations();
    };
  }, [xterm]);

  const look = (direction: "next" | "previous", what = text, incremental = false) => {
    if (what === "") {
      xterm.search.clearDecorations();
      setFound(null);
    } else if (direction === "next") {
      xterm.search.findNext(what, { decorations: MARKS, incremental });
    } else {
      xterm.search.findPrevious(what, { decorations: MARKS });
    }
  };

  return (
    <search className="absolute top-1 right-1 z-10 flex w-[calc(100%-0.5rem)] max-w-md items-center gap-1 rounded-lg border border-line bg-raised p-1 shadow-lg shadow-black/25">
      <input
        aria-label="Search this terminal"
        autoComplete="off"
        // biome-ignore lint/a11y/noAutofocus: it was asked for by a key or a button.
        autoFocus
        className="h-8 min-w-0 flex-1 rounded border border-edge bg-bg px-2.5 font-mono text-sm text-primary focus-visible:outline-offset-0 coarse:h-11 coarse:text-lg"
        onChange={(event) => {
          setText(event.target.value);
          look("next", event.target.value, true);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") look(event.shiftKey ? "previous" : "next");
          else if (event.key === "Escape") onClose();
          else return;
          event.preventDefault();
        }}
        placeholder="Search"
        spellCheck={false}
        value={text}
      />
      <output className="w-24 text-right text-xs text-secondary tabular-nums">
        {found === null || text === ""
          ? ""
          : found.count === 0
            ? "not found"
            : found.index < 0
              ? `${found.count} found`
              : `${found.index + 1} of ${found.count}`}
      </output>
      <IconButton icon="up" label="Previous" onClick={() => look("previous")} />
      <IconButton icon="down" label="Next" onClick={() => look("next")} />
      <IconButton icon="close" label="Close search" onClick={onClose} />
    </search>
  );
}
