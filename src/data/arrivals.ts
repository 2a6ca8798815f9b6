/** Tells who waits for an image that it has come. */
export class Arrivals {
  private readonly awaited = new Map<number, { promise: Promise<void>; came: () => void }>();

  /**
   * @param has whether an image is there
   * @param end aborted once some image will never come: whoever waits is told then, whichever image it is
   */
  constructor(
    private readonly has: (image: number) => boolean,
    private readonly end: AbortSignal,
  ) {}

  /** Resolves once the image is there; rejects with the end's reason. */
  async of(image: number): Promise<void> {
    if (this.has(image)) return;
    this.end.throwIfAborted();
    const waiting = this.awaited.get(image) ?? this.promised(image);
    return waiting.promise;
  }

  /** To be called for every image, once it is there. */
  announce(image: number): void {
    this.awaited.get(image)?.came();
    this.awaited.delete(image);
  }

  private promised(image: number) {
    let came: () => void = () => undefined;
    const promise = new Promise<void>((resolve, reject) => {
      const fail = () => reject(this.end.reason as Error);
      this.end.addEventListener('abort', fail, { once: true });
      came = () => {
        this.end.removeEventListener('abort', fail);
        resolve();
      };
    });
    const waiting = { promise, came };
    this.awaited.set(image, waiting);
    return waiting;
  }
}
