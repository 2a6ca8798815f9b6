/** The known name that a misspelt one most likely meant, or undefined where none is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((word) => ({ word, away: distance(name.toLowerCase(), word.toLowerCase()) }))
    .sort((a, b) => a.away - b.away);
  return best !== undefined && best.away <= Math.max(2, name.length / 4) ? best.word : undefined;
}

/** Letters to insert, delete or replace (Levenshtein 1966). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? Infinity;
}
