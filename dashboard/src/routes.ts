// Every URL of the dashboard: what is shown is written there, so that it can be linked to and reloaded.

export type Route =
  | { page: "fleet"; query: string; show: Show }
  | { page: "terminal"; layout: Layout }
  | { page: "settings"; section: Section; machine: string | null };

export type Show = "all" | "running" | "attention" | "ended";
export type Section = "devices" | "appearance" | "about";

/** Tabs of panes; the panes of a tab lie beside or below each other. */
export interface Layout {
  readonly tabs: readonly Tab[];
  readonly at: number;
}
export interface Tab {
  readonly panes: readonly Pane[];
  readonly direction: "row" | "column";
  readonly at: number;
}
export interface Pane {
  readonly machine: string;
  readonly agent: string;
}

export const PANES_OF_A_TAB = 4;
const TABS = 24;

const SHOWS: readonly Show[] = ["all", "running", "attention", "ended"];
const SECTIONS: readonly Section[] = ["devices", "appearance", "about"];
const PANE = /^([a-z2-7]{26})\.(ag-[a-z0-9]{5})$/;

export function parseRoute(url: { pathname: string; search: string }): Route {
  const [, page, detail] = url.pathname.split("/");
  const query = new URLSearchParams(url.search);
  switch (page) {
    case "terminal":
      return { page, layout: parseLayout(query) };
    case "settings":
      return {
        page,
        section: SECTIONS.find((section) => section === detail) ?? "devices",
        machine: query.get("machine"),
      };
    default:
      return {
        page: "fleet",
        query: query.get("q")?.slice(0, 200) ?? "",
        show: SHOWS.find((show) => show === query.get("show")) ?? "all",
      };
  }
}

export const paths = {
  fleet: (query = "", show: Show = "all") =>
    `/fleet${search({ q: query || null, show: show === "all" ? null : show })}`,
  terminal: (layout: Layout) => {
    if (layout.tabs.length === 0) return "/terminal";
    // Nothing in it needs escaping, and so it stays readable.
    const tabs = layout.tabs.map(writeTab).join(",");
    return `/terminal?tabs=${tabs}&at=${layout.at}`;
  },
  settings: (section: Section = "devices", machine: string | null = null) =>
    `/settings/${section}${search({ machine })}`,
};

export function onlyPane(pane: Pane): Layout {
  return { tabs: [{ panes: [pane], direction: "row", at: 0 }], at: 0 };
}

function parseLayout(query: URLSearchParams): Layout {
  const tabs = (query.get("tabs") ?? "")
    .split(",")
    .slice(0, TABS)
    .flatMap((text) => parseTab(text) ?? []);
  return { tabs, at: index(query.get("at"), tabs.length) };
}

/** `pane~pane*at` or, below each other, `pane_pane*at`. */
function parseTab(text: string): Tab | null {
  const [list = "", at] = text.split("*");
  const direction = list.includes("_") ? "column" : "row";
  const panes = list
    .split(/[~_]/)
    .slice(0, PANES_OF_A_TAB)
    .flatMap((pane) => {
      const [, machine, agent] = PANE.exec(pane) ?? [];
      return machine && agent ? [{ machine, agent }] : [];
    });
  return panes.length === 0 ? null : { panes, direction, at: index(at ?? null, panes.length) };
}

function writeTab({ panes, direction, at }: Tab): string {
  const list = panes.map(({ machine, agent }) => `${machine}.${agent}`);
  return list.join(direction === "row" ? "~" : "_") + (at > 0 ? `*${at}` : "");
}

function index(text: string | null, length: number): number {
  const at = Number.parseInt(text ?? "0", 10);
  return Number.isInteger(at) && at >= 0 && at < length ? at : 0;
}

function search(parts: Record<string, string | null>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parts)) if (value !== null) query.set(name, value);
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}
