// A choice of one among few, side by side.
import { useId } from "react";
import { classes } from "./classes";

interface SegmentsProps<Value extends string> {
  label: string;
  value: Value;
  options: readonly { value: Value; label: string; count?: number }[];
  onChange: (value: Value) => void;
}

export function Segments<Value extends string>(props: SegmentsProps<Value>) {
  const name = useId();
  return (
    <fieldset className="flex rounded border border-line bg-raised p-0.5">
      <legend className="sr-only">{props.label}</legend>
      {props.options.map((option) => {
        const chosen = option.value === props.value;
        return (
          <label
            className={classes(
              "flex h-7 cursor-pointer items-center gap-1.5 rounded-sm px-2.5 text-sm whitespace-nowrap coarse:h-10 coarse:px-3",
              "has-focus-visible:outline-2 has-focus-visible:outline-accent",
              chosen ? "bg-well font-medium text-primary" : "text-secondary hover:text-primary",
            )}
            key={option.value}
          >
            <input
              checked={chosen}
              className="sr-only"
              name={name}
              onChange={() => props.onChange(option.value)}
              type="radio"
              value={option.value}
            />
            {option.label}
            {option.count !== undefined && (
              <span className="text-xs text-floor tabular-nums">{option.count}</span>
            )}
          </label>
        );
      })}
    </fieldset>
  );
}
