// Settings: devices of each machine, how things look, whom this page trusts.
import { useMemo } from "react";
import { useStore } from "zustand";
import type { PagePlace } from "../../api/gateway";
import { About } from "../../features/settings/About";
import { AppearanceSettings } from "../../features/settings/AppearanceSettings";
import { Devices } from "../../features/settings/Devices";
import { Link } from "../../Link";
import { fleet } from "../../machines/fleet";
import { navigate } from "../../navigation";
import { paths, type Section } from "../../routes";
import { classes } from "../../ui/classes";
import { Select } from "../../ui/Field";
import { plain } from "../../ui/plain";

const SECTIONS: readonly { section: Section; label: string }[] = [
  { section: "devices", label: "Devices" },
  { section: "appearance", label: "Appearance" },
  { section: "about", label: "About and trust" },
];

interface SettingsPageProps {
  section: Section;
  machine: string | null;
  place: PagePlace;
}

export function SettingsPage({ section, machine, place }: SettingsPageProps) {
  return (
    <div className="mx-auto grid max-w-3xl gap-5 p-3 sm:p-6">
      <h1 className="text-xl font-semibold text-primary">Settings</h1>
      <nav aria-label="Settings" className="flex gap-1 overflow-x-auto border-b border-line">
        {SECTIONS.map((entry) => (
          <Link
            aria-current={entry.section === section ? "page" : undefined}
            className={classes(
              "-mb-px flex h-9 shrink-0 items-center border-b-2 px-3 text-sm coarse:h-11",
              "focus-visible:-outline-offset-2",
              entry.section === section
                ? "border-accent font-medium text-primary"
                : "border-transparent text-secondary hover:text-primary",
            )}
            href={paths.settings(entry.section)}
            key={entry.section}
          >
            {entry.label}
          </Link>
        ))}
      </nav>
      {section === "devices" && <DevicesOf machine={machine} />}
      {section === "appearance" && <AppearanceSettings />}
      {section === "about" && <About place={place} />}
    </div>
  );
}

function DevicesOf({ machine }: { machine: string | null }) {
  const machines = useStore(fleet, (state) => state.machines);
  const mine = useMemo(
    () => [...machines.values()].filter((view) => view.role === "owner"),
    [machines],
  );
  const chosen = mine.find((view) => view.machineId === machine) ?? mine[0];
  if (chosen === undefined) {
    return (
      <p className="text-sm text-secondary">
        Devices are the affair of a machine's owner. You own none of these machines.
      </p>
    );
  }
  return (
    <div className="grid gap-4">
      {mine.length > 1 && (
        <Select
          label="Machine"
          onChange={(event) => navigate(paths.settings("devices", event.target.value), "replace")}
          value={chosen.machineId}
        >
          {mine.map((view) => (
            <option key={view.machineId} value={view.machineId}>
              {plain(view.name, 64)}
            </option>
          ))}
        </Select>
      )}
      <Devices key={chosen.machineId} machine={chosen} />
    </div>
  );
}
