// The way between pages: a rail at the left, tabs at the bottom of a phone.
import { useRef } from "react";
import type { PagePlace } from "../api/gateway";
import { Link } from "../Link";
import { paths, type Route } from "../routes";
import { classes } from "../ui/classes";
import { Icon, type IconName } from "../ui/Icon";
import { UpdateButton } from "./UpdateButton";

interface RailProps {
  route: Route;
  place: PagePlace;
  onPalette: () => void;
}

export function Rail({ route, place, onPalette }: RailProps) {
  // Back to the terminal is back to its tabs.
  const terminal = useRef(paths.terminal({ tabs: [], at: 0 }));
  if (route.page === "terminal") terminal.current = paths.terminal(route.layout);
  const entry = (page: Route["page"], href: string, icon: IconName, label: string) => (
    <Link
      aria-current={route.page === page ? "page" : undefined}
      className={classes(ENTRY, route.page === page ? "text-accent" : "text-secondary")}
      href={href}
    >
      <Icon name={icon} size={20} />
      {label}
    </Link>
  );
  return (
    <nav
      aria-label="Pages"
      className="flex shrink-0 items-stretch border-line bg-raised pb-[env(safe-area-inset-bottom)] max-sm:border-t sm:w-18 sm:flex-col sm:gap-1 sm:border-r sm:py-2"
    >
      <span aria-hidden="true" className="hidden justify-center pt-1 pb-3 sm:flex">
        <img alt="" height="28" src="/icon.svg" width="28" />
      </span>
      {entry("fleet", paths.fleet(), "fleet", "Fleet")}
      {entry("terminal", terminal.current, "terminal", "Terminal")}
      {entry("settings", paths.settings(), "settings", "Settings")}
      <span className="hidden flex-1 sm:block" />
      <button className={classes(ENTRY, "text-secondary")} onClick={onPalette} type="button">
        <Icon name="command" size={20} />
        Search
      </button>
      <UpdateButton className={ENTRY} />
      {place.servedBy === "relay" && (
        <Link
          className={classes(ENTRY, "text-warn max-sm:hidden")}
          href={paths.settings("about")}
          title="This page's code comes from a relay: whom it trusts"
        >
          <Icon name="shield" size={20} />
          By relay
        </Link>
      )}
    </nav>
  );
}

const ENTRY =
  "flex h-14 flex-1 flex-col items-center justify-center gap-0.5 text-xs hover:text-primary focus-visible:-outline-offset-2 sm:mx-1 sm:flex-none sm:rounded sm:hover:bg-hover";
