// Theme and terminals' looks.
import { useStore } from "zustand";
import { Checkbox, Select } from "../../ui/Field";
import { Segments } from "../../ui/Segments";
import { appearance, changeAppearance, FONT_SIZES } from "./appearance";

export function AppearanceSettings() {
  const { theme, fontSize, screenReader } = useStore(appearance);
  return (
    <div className="grid max-w-md gap-5">
      <div>
        <p className="mb-1 text-sm font-medium text-body">Theme</p>
        <div className="w-fit">
          <Segments
            label="Theme"
            onChange={(next) => changeAppearance({ theme: next })}
            options={[
              { value: "system", label: "System" },
              { value: "light", label: "Light" },
              { value: "dark", label: "Dark" },
            ]}
            value={theme}
          />
        </div>
      </div>
      <Select
        label="Size of text in terminals"
        onChange={(event) => changeAppearance({ fontSize: Number(event.target.value) })}
        value={fontSize}
      >
        {FONT_SIZES.map((size) => (
          <option key={size} value={size}>
            {size} px
          </option>
        ))}
      </Select>
      <Checkbox
        checked={screenReader}
        hint="Terminals tell what is written, which costs some speed."
        label="Screen reader mode"
        onChange={(event) => changeAppearance({ screenReader: event.target.checked })}
      />
    </div>
  );
}
