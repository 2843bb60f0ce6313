// Figures as rows of docs/performance.md.

export interface Spread {
  readonly low: number;
  readonly middle: number;
  readonly high: number;
}

/** Median, with the least and the greatest. */
export function spread(figures: readonly number[]): Spread {
  const sorted = [...figures].sort((a, b) => a - b);
  return {
    low: sorted[0] ?? Number.NaN,
    middle: quantile(sorted, 0.5),
    high: sorted.at(-1) ?? Number.NaN,
  };
}

export function quantile(figures: readonly number[], part: number): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const at = Math.min(Math.floor(part * sorted.length), sorted.length - 1);
  return sorted[at] ?? Number.NaN;
}

export function told({ low, middle, high }: Spread, digits: number): string {
  const text = (figure: number) => figure.toFixed(digits);
  return low === high ? text(middle) : `${text(middle)} (${text(low)} to ${text(high)})`;
}

/** A table in Markdown, on the standard output. */
export function print(title: string, head: readonly string[], rows: readonly string[][]): void {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = head.map(() => "---");
  console.log(`\n${title}\n\n${[head, rule, ...rows].map(line).join("\n")}\n`);
}
