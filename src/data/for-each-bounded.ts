/**
 * Visits all items with at most `limit` visits under way. After a failure no further visit begins, and
 * the first error is thrown once those under way have ended: nothing runs on behind the caller's back.
 */
export async function forEachBounded<T>(
  items: readonly T[],
  limit: number,
  visit: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const queue = items.entries();
  const errors: unknown[] = [];
  const lane = async () => {
    for (const [index, item] of queue) {
      try {
        await visit(item, index);
      } catch (error) {
        errors.push(error);
      }
      if (errors.length > 0) return;
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, limit) }, lane));
  if (errors.length > 0) throw errors[0];
}
