/**
 * Holm's adjusted p-values (Scand. J. Statist. 6, 1979), in the order given: with m comparisons, the
 * chance of even one false claim at `adjusted <= 0.05` stays below 5%, whatever their dependence. A null,
 * a comparison that was not tested, stays null and does not count. Throws RangeError outside 0 to 1.
 */
export function holm(pValues: readonly (number | null)[]): (number | null)[] {
  const tested = pValues.flatMap((pValue, index) => (pValue === null ? [] : [{ pValue, index }]));
  const wrong = tested.find(({ pValue }) => !(pValue >= 0 && pValue <= 1));
  if (wrong) throw new RangeError(`expected a p-value from 0 to 1 but received ${wrong.pValue}`);
  tested.sort((a, b) => a.pValue - b.pValue);

  const adjusted: (number | null)[] = pValues.map(() => null);
  let running = 0;
  tested.forEach(({ pValue, index }, rank) => {
    // The larger p-values may not end up below the smaller ones.
    running = Math.max(running, Math.min(1, pValue * (tested.length - rank)));
    adjusted[index] = running;
  });
  return adjusted;
}
