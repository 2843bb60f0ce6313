// The document that xterm.js is given: what it would write into <style> elements and style attributes,
// which the page's content security policy refuses, goes through the object model, which it allows.

/**
 * Of this document in all but what it makes: a `style` is an element whose text is a style sheet of the
 * document's own, a `span` takes its style attribute as properties.
 */
export function documentWithoutInlineStyles(): Document {
  return new Proxy(document, {
    get(target, name) {
      if (name === "createElement") return create;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  });
}

/**
 * Opens what was made with such a document. Its viewport asks the page's own document all the same, at
 * this moment alone.
 */
export function openWithoutInlineStyles(open: () => void): void {
  document.createElement = create as typeof document.createElement;
  try {
    open();
  } finally {
    // What the document inherits is there again.
    delete (document as { createElement?: unknown }).createElement;
  }
}

function create(tag: string, options?: ElementCreationOptions): HTMLElement {
  if (tag === "style") return new Sheet().element;
  const element = Document.prototype.createElement.call(document, tag, options);
  if (tag === "span") Object.setPrototypeOf(element, SPAN);
  return element;
}

/** One for all spans: a terminal makes one for each run of characters. */
const SPAN: HTMLSpanElement = Object.create(HTMLSpanElement.prototype, {
  setAttribute: {
    value(this: HTMLSpanElement, name: string, value: string) {
      if (name === "style") this.style.cssText = value;
      else HTMLSpanElement.prototype.setAttribute.call(this, name, value);
    },
  },
});

class Sheet {
  /** Stands where the style element would, and is never shown. */
  readonly element = Document.prototype.createElement.call(document, "span");
  readonly #sheet = new CSSStyleSheet();

  constructor() {
    const { element } = this;
    const sheet = this.#sheet;
    element.hidden = true;
    document.adoptedStyleSheets.push(sheet);
    Object.defineProperty(element, "textContent", { set: (css: string) => sheet.replaceSync(css) });
    Object.defineProperty(element, "remove", {
      value: () => {
        document.adoptedStyleSheets = document.adoptedStyleSheets.filter((each) => each !== sheet);
        Element.prototype.remove.call(element);
      },
    });
  }
}
