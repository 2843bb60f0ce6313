// What is there when a page can't be shown: most often a part of it that is gone with its build.
import { Component, type ReactNode } from "react";
import { Button } from "../ui/Button";
import { Notice } from "../ui/Notice";
import { Text } from "../ui/Text";

export class Broken extends Component<{ children: ReactNode }, { why: string | null }> {
  override state = { why: null };

  static getDerivedStateFromError(error: unknown) {
    return { why: error instanceof Error ? error.message : String(error) };
  }

  override render() {
    const { why } = this.state;
    if (why === null) return this.props.children;
    const isGone = /import|module|preload/i.test(why);
    return (
      <div className="mx-auto grid max-w-lg gap-4 p-4 sm:p-10">
        <h1 className="text-xl font-semibold text-primary">
          {isGone ? "This page is older than what serves it" : "This page can't be shown"}
        </h1>
        <Notice
          action={
            <Button icon="restart" onClick={() => location.reload()}>
              Reload
            </Button>
          }
          tone="warn"
        >
          {isGone
            ? "A part of it that was not loaded yet is no longer there."
            : "Something in it went wrong. Your agents go on."}
        </Notice>
        <p className="text-sm text-secondary wrap-anywhere">
          <Text limit={300}>{why}</Text>
        </p>
      </div>
    );
  }
}
