// The document that xterm.js is given: what it would write into <style> elements and style attributes,
// which the page's content security policy refuses, goes through the object model, which it allows.

/** Of this document in all but one: a `style` of it is an element whose text is a style sheet. */
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
  return Document.prototype.createElement.call(document, tag, options);
}

// The runs of characters are spans of the page's own document, whichever document xterm.js is given.
// Their colours beyond the 256 come as a style attribute, and are taken as properties.
Object.defineProperty(HTMLSpanElement.prototype, "setAttribute", {
  configurable: true,
  value(this: HTMLSpanElement, name: string, value: string) {
    if (name === "style") this.style.cssText = value;
    else Element.prototype.setAttribute.call(this, name, value);
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
