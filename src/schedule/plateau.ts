/** What plateau decay remembers between epochs; JSON, so that a checkpoint can hold it. */
export interface PlateauState {
  /** The validation loss to beat; null before the first epoch. */
  readonly best: number | null;
  /** Epochs since `best`, or since the last reduction. */
  readonly badEpochs: number;
  /** How often the rate was reduced. */
  readonly reductions: number;
}

/** An improvement counts from this share of the best loss on (torch's default, threshold_mode rel). */
const threshold = 1e-4;

/** The state before the first epoch. */
export const initialPlateau: PlateauState = { best: null, badEpochs: 0, reductions: 0 };

/**
 * One epoch of torch's ReduceLROnPlateau (mode min, no cooldown): the rate is reduced at the end of the
 * epoch that exceeds `patience` epochs without an improvement. A validation loss of NaN is none. Unlike
 * torch, tiny reductions are made too: there, one that changes the rate by less than 1e-8 is left out.
 */
export function observePlateau(state: PlateauState, validLoss: number, patience: number): PlateauState {
  const bar = state.best === null ? Infinity : state.best * (1 - threshold);
  if (validLoss < bar) return { ...state, best: validLoss, badEpochs: 0 };
  const badEpochs = state.badEpochs + 1;
  if (badEpochs <= patience) return { ...state, badEpochs };
  return { ...state, badEpochs: 0, reductions: state.reductions + 1 };
}
