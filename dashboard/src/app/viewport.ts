// The app is as high as what is seen: above a phone's keyboard, not behind it.

export function followViewport(): void {
  const viewport = window.visualViewport;
  if (viewport === null) return;
  const follow = () => {
    const root = document.documentElement;
    // A page that was enlarged with two fingers keeps its size.
    if (viewport.scale > 1.01) return;
    root.style.setProperty("--app-height", `${Math.round(viewport.height)}px`);
    root.scrollTop = 0;
  };
  viewport.addEventListener("resize", follow);
  follow();
}
