// What there is before there is a machine: the way to the first one.
import { PairForm } from "../../features/machines/AddMachineDialog";
import type { Source } from "../../machines/source";

interface FirstMachineProps {
  source: Source;
  onPaired: (safetyNumber: string) => void;
}

export function FirstMachine({ source, onPaired }: FirstMachineProps) {
  return (
    <div className="mx-auto grid max-w-lg gap-6 p-4 sm:p-10">
      <header>
        <h1 className="text-xl font-semibold text-primary">
          {source.only === null ? "Add your first machine" : "Pair this browser"}
        </h1>
        <p className="mt-1 text-secondary">
          This {source.device} and the machine will share keys of their own. What passes between
          them nobody else can read.
        </p>
      </header>
      <div className="rounded-lg border border-line bg-raised p-5">
        <PairForm onPaired={onPaired} source={source} />
      </div>
    </div>
  );
}
