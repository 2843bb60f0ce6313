// Finds what a person means by a few letters.

/** Those that have all words of the query; a match at the start of a word counts most. */
export function rank<Item>(
  items: readonly Item[],
  query: string,
  textOf: (item: Item) => string,
): Item[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [...items];
  return items
    .flatMap((item, order) => {
      const text = textOf(item).toLowerCase();
      let score = 0;
      for (const word of words) {
        const part = scoreOf(text, word);
        if (part === 0) return [];
        score += part;
      }
      return [{ item, order, score }];
    })
    .sort((a, b) => b.score - a.score || a.order - b.order)
    .map(({ item }) => item);
}

/** 0: not there at all. Letters in order with others between them are there, barely. */
function scoreOf(text: string, word: string): number {
  const at = text.indexOf(word);
  if (at === 0) return 100;
  if (at > 0) {
    const starts = [...text.matchAll(/[a-z0-9]+/g)].some(
      (match) => match.index > 0 && text.startsWith(word, match.index),
    );
    return starts ? 60 : 30;
  }
  let from = 0;
  for (const letter of word) {
    from = text.indexOf(letter, from) + 1;
    if (from === 0) return 0;
  }
  return word.length > 1 && word.length >= from / 6 ? 5 : 0;
}
