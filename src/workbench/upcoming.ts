/**
 * Something that can be made only once something else is known, and what is to be done to it by then: that is kept, and done in
 * its order as soon as it is there.
 */
export class Upcoming<T> {
  /** Resolves once it is there and all that was kept is done. */
  readonly ready: Promise<T>;
  private made: T | undefined;
  private failure: { readonly error: unknown } | undefined;
  private begun = false;
  private kept: ((it: T) => void)[] = [];

  /**
   * @param known what has to be waited for
   * @param make makes it then
   */
  constructor(known: Promise<unknown>, make: () => Promise<T>) {
    this.ready = known.then(async () => {
      this.begun = true;
      const it = await make();
      this.made = it;
      for (const act of this.kept) act(it);
      this.kept = [];
      return it;
    });
    // Whoever uses it meets the error.
    this.ready.catch((error: unknown) => (this.failure = { error }));
  }

  static of<T>(it: T): Upcoming<T> {
    return new Upcoming(Promise.resolve(), async () => it);
  }

  /** Once it is there. */
  get here(): T | undefined {
    return this.made;
  }

  /** Does it now or later. Throws what made it fail. */
  act(what: (it: T) => void): void {
    if (this.failure !== undefined) throw this.failure.error;
    if (this.made !== undefined) what(this.made);
    else this.kept.push(what);
  }

  /** Waits while it is being made, but not for what has to be known before. */
  async madeIfKnown(): Promise<void> {
    if (this.begun) await this.ready;
  }
}
