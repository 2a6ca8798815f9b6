/** Deeper than any file that the program reads, and far from where recursion runs out of stack. */
const DEEPEST = 100;

/**
 * What a JSON text from outside says. Throws SyntaxError as JSON.parse does, and also where lists and objects lie more than 100 deep
 * within each other: whatever walks them later, JSON.stringify included, would run out of stack.
 */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  // Each level has two brackets: most texts are too short to be deep.
  if (text.length > 2 * DEEPEST && isDeep(value)) {
    throw new SyntaxError(`lists and objects in it are nested more than ${DEEPEST} deep`);
  }
  return value;
}

/** Level by level, as it is recursion that has to be avoided. */
function isDeep(value: unknown): boolean {
  let level = [value];
  for (let depth = 0; depth <= DEEPEST && level.length > 0; depth++) {
    const next: unknown[] = [];
    for (const one of level) {
      if (typeof one !== 'object' || one === null) continue;
      for (const inner of Object.values(one)) if (typeof inner === 'object') next.push(inner);
    }
    level = next;
  }
  return level.length > 0;
}
