// Whom this page trusts, and what runs where.
import { useStore } from "zustand";
import type { PagePlace } from "../../api/gateway";
import { fleet } from "../../machines/fleet";
import { Icon } from "../../ui/Icon";
import { Text } from "../../ui/Text";

export function About({ place }: { place: PagePlace }) {
  const machines = useStore(fleet, (state) => state.machines);
  return (
    <div className="grid gap-5">
      <Trust place={place} />
      <section className="grid gap-2">
        <h2 className="text-base font-semibold text-primary">Versions</h2>
        <ul className="rounded-lg border border-line bg-raised text-sm">
          {[...machines.values()].map(({ machineId, name, info }) => (
            <li
              className="flex flex-wrap items-baseline gap-x-3 border-line px-3 py-2 not-first:border-t"
              key={machineId}
            >
              <span className="font-medium text-primary">
                <Text limit={64}>{name}</Text>
              </span>
              <span className="text-secondary">
                <Text limit={160}>
                  {info ? `gantline ${info.version}, ${info.os}, ${info.arch}` : "not heard of yet"}
                </Text>
              </span>
              <span className="ml-auto font-mono text-xs text-floor">{machineId}</span>
            </li>
          ))}
        </ul>
      </section>
    </div>
  );
}

export function Trust({ place }: { place: PagePlace }) {
  return (
    <section className="grid gap-2">
      <h2 className="flex items-center gap-2 text-base font-semibold text-primary">
        <Icon name="shield" />
        Whom this page trusts
      </h2>
      {place.servedBy === "relay" ? (
        <div className="grid gap-2">
          <p>
            The relay <Text limit={253}>{place.domain}</Text>
            {place.operator !== undefined && (
              <>
                , operated by <Text limit={128}>{place.operator}</Text>,
              </>
            )}{" "}
            passes on what you type without being able to read it. But it also sent the code of this
            page, and who sends that code could send another that tells. If you don't trust its
            operator so far, use the dashboard on your own machine, which no relay serves:
          </p>
          <p>
            <code className="rounded border border-line bg-well px-1.5 py-0.5 font-mono text-sm">
              gantline open
            </code>
          </p>
          <p className="text-sm text-secondary">
            The keys of this browser are kept in it, encrypted by a key that it does not hand out.
            That protects copies of its files, not a browser that something else has taken over.
          </p>
        </div>
      ) : (
        <p>
          It is served by the node of this machine, over 127.0.0.1. No relay and no stranger has a
          part in its code; the keys of your other machines stay with the node.
        </p>
      )}
    </section>
  );
}
