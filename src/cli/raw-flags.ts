/** Flags as commander gathers them: texts, or booleans for flags without a value. */
export type RawFlags = Readonly<Record<string, string | boolean>>;
