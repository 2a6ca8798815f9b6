/**
 * The folder of a run that begins while its images are still being decoded. It is created once all of them are known to be usable;
 * what is to be written before then is queued.
 */
export class DeferredFolder<Folder> {
  /** Resolves once the folder is there and the queue is written. */
  readonly ready: Promise<Folder>;
  private folder: Folder | undefined;
  private failure: { readonly error: unknown } | undefined;
  private creating = false;
  private queue: ((folder: Folder) => void)[] = [];

  /**
   * @param usable resolves once the images are known to be usable
   * @param create is called then
   */
  constructor(usable: Promise<unknown>, create: () => Promise<Folder>) {
    this.ready = usable.then(async () => {
      this.creating = true;
      const folder = await create();
      this.folder = folder;
      for (const write of this.queue) write(folder);
      this.queue = [];
      return folder;
    });
    // `write` throws it, and whoever awaits `ready` gets it.
    this.ready.catch((error: unknown) => (this.failure = { error }));
  }

  /** The folder, once it is there. */
  get created(): Folder | undefined {
    return this.folder;
  }

  /** Writes to the folder, now or as soon as it is there. Throws what kept it from being created or written. */
  write(write: (folder: Folder) => void): void {
    if (this.failure !== undefined) throw this.failure.error;
    if (this.folder !== undefined) write(this.folder);
    else this.queue.push(write);
  }

  /** Waits while the folder is being created, but not while images are still being decoded. */
  async finishCreating(): Promise<void> {
    if (this.creating) await this.ready;
  }
}
