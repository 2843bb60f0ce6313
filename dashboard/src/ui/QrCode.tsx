// Text for the camera of a phone. The encoder is loaded when one is shown.
import { useEffect, useState } from "react";

/** The light border without which cameras find nothing, in modules. */
const BORDER = 4;

export function QrCode({ text, label }: { text: string; label: string }) {
  const [drawn, setDrawn] = useState<{ size: number; path: string } | null>(null);
  useEffect(() => {
    let over = false;
    void import("uqr").then(({ encode }) => {
      const { size, data } = encode(text, { ecc: "L", border: BORDER });
      if (!over) setDrawn({ size, path: pathOf(data) });
    });
    return () => {
      over = true;
    };
  }, [text]);

  // Black on white in both themes: not every camera reads the reverse.
  return (
    <div className="mx-auto aspect-square w-full max-w-64 overflow-hidden rounded-lg border border-line">
      {drawn && (
        <svg
          aria-label={label}
          className="size-full bg-[#fff] text-[#000]"
          role="img"
          shapeRendering="crispEdges"
          viewBox={`0 0 ${drawn.size} ${drawn.size}`}
        >
          <path d={drawn.path} fill="currentColor" />
        </svg>
      )}
    </div>
  );
}

/** Each run of dark modules in a row is a rectangle. */
function pathOf(rows: readonly (readonly boolean[])[]): string {
  let path = "";
  for (const [y, row] of rows.entries()) {
    for (let x = 0; x < row.length; x += 1) {
      if (!row[x]) continue;
      let end = x;
      while (row[end]) end += 1;
      path += `M${x} ${y}h${end - x}v1h-${end - x}z`;
      x = end;
    }
  }
  return path;
}
