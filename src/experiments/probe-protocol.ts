import type { BackendInfo, BackendName } from '../backend/backend-info.js';

/** What became of trying one backend. */
export type BackendProbe =
  | {
      readonly name: BackendName;
      readonly works: true;
      readonly info: BackendInfo;
      /** Null where nobody waited for it. */
      readonly imagesPerSecond: number | null;
      readonly why: string | null;
    }
  | { readonly name: BackendName; readonly works: false; readonly why: string; readonly remedy: string };
